import { execFile } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { startTestBroker, type TestBroker } from './testing.ts'

let muster: TestBroker
let directory: string
beforeAll(async () => {
  muster = await startTestBroker()
  directory = await mkdtemp(join(tmpdir(), 'muster-tls-'))
  const { key, cert } = await muster.addDevice('openssl')
  await Promise.all([writeFile(at('key'), key), writeFile(at('crt'), cert)])
  await writeFile(at('root'), muster.ca.root.toString())
})
afterAll(async () => {
  await rm(directory, { recursive: true, force: true })
  await muster?.[Symbol.asyncDispose]()
})

const at = (name: string) => join(directory, name)

/** What OpenSSL, which is none of ours and may do what Node cannot, says of a handshake with these options. */
function handshake(options: string[], input = ''): Promise<{ text: string; done: boolean }> {
  const args = [
    's_client',
    '-connect',
    `127.0.0.1:${muster.broker.mqttPort}`,
    '-CAfile',
    at('root'),
    '-cert',
    at('crt'),
  ]
  return new Promise((resolve) => {
    const child = execFile('openssl', [...args, '-key', at('key'), ...options], (_error, stdout, stderr) =>
      resolve({ text: stdout + stderr, done: /^New, TLSv1\.[23], Cipher is [^(]/m.test(stdout) }),
    )
    child.stdin?.end(input)
  })
}

const weak = ['-cipher', 'ALL:@SECLEVEL=0']

describe('is spoken', () => {
  test.each([
    ['TLS 1.2', ['-tls1_2'], /TLSv1\.2, Cipher is ECDHE-ECDSA-.*(GCM|CHACHA20)/],
    ['TLS 1.3', ['-tls1_3'], /TLSv1\.3, Cipher is TLS_AES_128_GCM_SHA256/],
    ['ChaCha20', ['-tls1_3', '-ciphersuites', 'TLS_CHACHA20_POLY1305_SHA256'], /TLS_CHACHA20_POLY1305_SHA256/],
    ['X25519', ['-groups', 'X25519'], /Server Temp Key: X25519/],
    ['P-256', ['-groups', 'P-256'], /Server Temp Key: ECDH, prime256v1/],
    ['P-384', ['-groups', 'P-384'], /Server Temp Key: ECDH, secp384r1/],
  ])('%s', async (_, options, expected) => {
    const { text, done } = await handshake(options)
    expect(done).toBe(true)
    expect(text).toMatch(expected)
    expect(text).toContain('Verify return code: 0 (ok)')
  })
})

describe('is not spoken', () => {
  test.each([
    ['TLS 1.0', ['-tls1', ...weak]],
    ['TLS 1.1', ['-tls1_1', ...weak]],
    ['CBC', ['-tls1_2', '-cipher', 'ECDHE-ECDSA-AES128-SHA256:ECDHE-ECDSA-AES256-SHA384:ECDHE-ECDSA-AES128-SHA']],
    ['static RSA', ['-tls1_2', '-cipher', 'kRSA:@SECLEVEL=0']],
    ['finite-field Diffie-Hellman', ['-tls1_2', '-cipher', 'kDHE']],
    ['CCM', ['-tls1_2', '-cipher', 'AESCCM']],
    ['TLS 1.3 with CCM', ['-tls1_3', '-ciphersuites', 'TLS_AES_128_CCM_SHA256']],
    ['no encryption', ['-tls1_2', '-cipher', 'eNULL:@SECLEVEL=0']],
    ['no authentication', ['-tls1_2', '-cipher', 'aNULL:@SECLEVEL=0']],
    ['P-521', ['-groups', 'P-521']],
  ])('%s', async (_, options) => {
    const { text, done } = await handshake(options)
    expect(text).toContain('CONNECTED')
    expect(done).toBe(false)
    expect(text).toMatch(/alert|no cipher|handshake failure|unsupported protocol/i)
  })
})

test('a client does not renegotiate', async () => {
  const { text } = await handshake(['-tls1_2'], 'R\n')
  expect(text).toMatch(/RENEGOTIATING/)
  expect(text).toMatch(/no renegotiation|alert|error/i)
})

test('nothing is compressed, and no data comes before the handshake’s end', async () => {
  for (const version of ['-tls1_2', '-tls1_3']) {
    const { text } = await handshake([version, '-comp'])
    expect(text).toContain('Compression: NONE')
    expect(text).toContain('Expansion: NONE')
  }
  const { text } = await handshake(['-tls1_3', '-sess_out', at('session')], '')
  expect(text).not.toMatch(/Max Early Data: [1-9]/)
})

test('the groups are offered in the order that is meant: the hybrid first', async () => {
  const device = await muster.addDevice('quantum')
  const socket = await muster.openTls(device, { ecdhCurve: 'X25519:X25519MLKEM768' })
  // Node names a classic group only; of the hybrid it knows the type.
  const hybrid = socket.getEphemeralKeyInfo()
  socket.destroy()
  const classic = await muster.openTls(device, { ecdhCurve: 'X25519' })
  expect(classic.getEphemeralKeyInfo()).toMatchObject({ name: 'X25519' })
  expect(hybrid).toBeDefined()
  classic.destroy()
})
