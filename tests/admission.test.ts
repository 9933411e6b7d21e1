import { execFileSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readFile, writeFile } from 'node:fs/promises'
import { connect as tcpConnect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { openTls, sendConnect, type TlsCredentials } from './harness/raw-mqtt.ts'
import { type EnrolledDevice, type Stack, startStack } from './harness/stack.ts'
import { nextEvent, waitFor } from './harness/wait.ts'

let stack: Stack
let attacker: EnrolledDevice
let victim: EnrolledDevice
const of = (id: string) => `fleets/default/devices/${id}`

beforeAll(async () => {
  stack = await startStack()
  attacker = await stack.enrolDevice('attacker')
  victim = await stack.enrolDevice('victim')
})
afterAll(() => stack?.[Symbol.asyncDispose]())

const recorded = (id: string, code: string) =>
  waitFor(`${code} on record`, async () => {
    const { json } = await stack.api(`/v1/devices/${id}/refusals`)
    return json.items.some((item: { code: string }) => item.code === code)
  })

describe('the client id', () => {
  test.each(['victim', 'default/victim', 'attacker2', '__proto__', '#', 'a'.repeat(1_000)])(
    '%s is refused, and the victim keeps its connection',
    async (clientId) => {
      const held = await victim.connect()
      for (const protocolVersion of [4, 5] as const) {
        const { socket } = await openTls(stack, attacker.credentials)
        const answer = await sendConnect(socket, clientId, { protocolVersion })
        expect(answer).toMatchObject({ cmd: 'connack' })
        expect(answer?.cmd === 'connack' && (answer.returnCode || answer.reasonCode)).toBe(
          protocolVersion === 4 ? 2 : 0x85,
        )
        socket.destroy()
      }
      await recorded('attacker', 'client-id-mismatch')
      expect(held.connected).toBe(true)
      await held.endAsync()
    },
  )

  test('left empty is assigned', async () => {
    const { socket } = await openTls(stack, attacker.credentials)
    const answer = await sendConnect(socket, '', { protocolVersion: 5 })
    expect(answer).toMatchObject({ reasonCode: 0, properties: { assignedClientIdentifier: 'attacker' } })
    socket.destroy()
  })

  test('one session per device: the newest connection wins', async () => {
    const first = await attacker.connect()
    const closed = nextEvent(first, 'close')
    const second = await attacker.connect()
    await closed
    expect(second.connected).toBe(true)
    await Promise.all([first.endAsync(true), second.endAsync()])
  })
})

describe('certificates', () => {
  /** Signs with OpenSSL, so that nothing of ours decides what can be in a certificate. */
  async function forge(
    subject: string,
    san: string,
    ca: { crt: string; key: string; pass?: string },
  ): Promise<TlsCredentials> {
    const directory = await mkdtemp(join(tmpdir(), 'muster-forge-'))
    const at = (name: string) => join(directory, name)
    await writeFile(
      at('ext'),
      `basicConstraints=critical,CA:FALSE\nkeyUsage=critical,digitalSignature\nextendedKeyUsage=clientAuth\nsubjectAltName=${san}\n`,
    )
    const openssl = (...args: string[]) => execFileSync('openssl', args, { stdio: 'pipe' })
    openssl('ecparam', '-name', 'prime256v1', '-genkey', '-noout', '-out', at('key'))
    openssl('req', '-new', '-key', at('key'), '-subj', subject, '-multivalue-rdn', '-out', at('csr'))
    openssl(
      'x509',
      '-req',
      '-in',
      at('csr'),
      '-CA',
      ca.crt,
      '-CAkey',
      ca.key,
      '-days',
      '30',
      '-extfile',
      at('ext'),
      '-out',
      at('crt'),
      ...(ca.pass ? ['-passin', `file:${ca.pass}`] : []),
    )
    return { key: await readFile(at('key'), 'utf8'), cert: await readFile(at('crt'), 'utf8') }
  }
  const san = 'URI:spiffe://muster.local/fleet/default/device/victim'
  const ours = () => ({
    crt: join(stack.data, 'ca/issuing-1.crt'),
    key: join(stack.data, 'ca/issuing-1.key'),
    pass: join(stack.data, 'ca/passphrase'),
  })

  async function isRefused(credentials: Partial<TlsCredentials>) {
    const opened = await openTls(stack, credentials).catch(() => undefined)
    if (!opened) return true
    const answer = await sendConnect(opened.socket, 'victim')
    opened.socket.destroy()
    return answer === undefined || (answer.cmd === 'connack' && answer.returnCode !== 0)
  }

  test('of another CA with the same names', async () => {
    const directory = await mkdtemp(join(tmpdir(), 'muster-ca-'))
    const [crt, key] = [join(directory, 'crt'), join(directory, 'key')]
    execFileSync(
      'openssl',
      [
        'req',
        '-x509',
        '-newkey',
        'ec',
        '-pkeyopt',
        'ec_paramgen_curve:P-256',
        '-nodes',
        '-keyout',
        key,
        '-out',
        crt,
        '-subj',
        '/CN=Muster issuing-1',
        '-days',
        '30',
      ],
      { stdio: 'pipe' },
    )
    expect(await isRefused(await forge('/O=default/OU=default/CN=victim', san, { crt, key }))).toBe(true)
  })

  test('signed by our issuing CA but unknown to the registry, as with a stolen CA key', async () => {
    expect(await isRefused(await forge('/O=default/OU=default/CN=victim', san, ours()))).toBe(true)
    await recorded('victim', 'certificate-unknown')
  })

  test.each([
    ['repeated CN', '/O=default/OU=default/CN=victim/CN=attacker', san],
    ['no names', '/CN=victim', san],
    ['other device in the SAN', '/O=default/OU=default/CN=attacker', san],
  ])('with a subject of %s', async (_, subject, names) => {
    expect(await isRefused(await forge(subject, names, ours()))).toBe(true)
  })

  test('missing', async () => {
    expect(await isRefused({})).toBe(true)
  })

  test('of a device of another fleet reach nothing here', async () => {
    await stack.api('/v1/fleets', { body: { name: 'other' } })
    const twin = await stack.enrolDevice('victim', { fleet: 'other' })
    const held = await victim.connect()
    const client = await twin.connect({ protocolVersion: 5 })
    expect(held.connected).toBe(true)
    await expect(client.publishAsync(`${of('victim')}/telemetry`, 'evil', { qos: 1 })).rejects.toMatchObject({
      code: 0x87,
    })
    await client.publishAsync('fleets/other/devices/victim/telemetry', 'fine', { qos: 1 })
    const ours = await stack.api('/v1/devices/victim/telemetry')
    expect(ours.json.items.map((item: { payload: string }) => item.payload)).not.toContain('fine')
    await Promise.all([client.endAsync(), held.endAsync()])
  })
})

describe('hostile clients', () => {
  const stillServes = async () => {
    const client = await victim.connect()
    await client.publishAsync(`${of('victim')}/telemetry`, 'ok', { qos: 1 })
    await client.endAsync()
  }

  test('a packet of 1 MB is cut off', async () => {
    const client = await attacker.connect()
    const closed = nextEvent(client, 'close')
    client.publish(`${of('attacker')}/telemetry`, Buffer.alloc(1_048_576), { qos: 1 })
    await closed
    await client.endAsync(true)
    await stillServes()
  })

  test('plain TCP, half a handshake and garbage on the TLS port', async () => {
    const sockets = Array.from({ length: 300 }, (_, index) => {
      const socket = tcpConnect(stack.ports.mqtt, '127.0.0.1').on('error', () => {})
      socket.write(
        [
          Buffer.from('\x10\x0c\x00\x04MQTT\x04\x02\x00\x3c\x00\x00', 'latin1'),
          Buffer.from('160301', 'hex'),
          Buffer.alloc(100, 7),
        ][index % 3] ?? '',
      )
      return socket
    })
    await stillServes()
    for (const socket of sockets) socket.destroy()
  })

  test('bytes that are no MQTT, after a good handshake', async () => {
    for (const bytes of [
      Buffer.alloc(64, 0xff),
      Buffer.from('GET / HTTP/1.1\r\n\r\n'),
      Buffer.from('10ffffffff7f', 'hex'),
    ]) {
      const { socket } = await openTls(stack, attacker.credentials)
      socket.write(bytes)
      await Promise.race([once(socket, 'close'), once(socket, 'end')])
    }
    await stillServes()
  })
})
