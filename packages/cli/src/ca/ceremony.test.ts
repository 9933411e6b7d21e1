import { generateKeyPairSync } from 'node:crypto'
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { openCa } from '@muster/pki'
import { createTestCa } from '@muster/pki/testing'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { runCommand } from '../testing.ts'

let home: string
beforeEach(async () => {
  home = await mkdtemp(join(tmpdir(), 'muster-ceremony-'))
})
afterEach(() => rm(home, { recursive: true, force: true }))

const at = (...path: string[]) => join(home, ...path)
const env = () => ({ MUSTER_DATA: at('data') })
const now = new Date('2026-11-21T08:00:00.000Z')

async function run(...args: string[]) {
  const ended = await runCommand(env(), 'ca', ...args)
  expect(ended.stderr).not.toContain('PRIVATE KEY')
  expect(ended.stdout).not.toContain('PRIVATE KEY')
  return ended
}
async function keep(file: string, ...args: string[]) {
  const { code, stdout, stderr } = await run(...args)
  expect(stderr).not.toMatch(/^muster:/)
  expect(code).toBe(0)
  await writeFile(at(file), stdout)
}

test('an offline root: request, sign elsewhere, import; its key never comes near the data directory', async () => {
  await keep('root.pem', 'init', '--root-only', at('vault'))
  await keep('issuing.csr', 'request', 'issuing-1')
  await keep('issuing.pem', 'sign', at('vault'), at('issuing.csr'), '--name', 'issuing-1')
  expect((await run('import', 'issuing-1', at('issuing.pem'))).code).toBe(0)
  expect((await readdir(at('data/ca'))).sort()).toEqual(['issuing-1.crt', 'issuing-1.key', 'passphrase', 'root.crt'])
  const { root, issuer } = await openCa({ directory: at('data/ca'), now })
  expect(root.toString()).toBe(await readFile(at('root.pem'), 'utf8'))
  expect(issuer.certificate.checkIssued(root)).toBe(true)

  await keep('next.pem', 'init', '--root-only', at('vault'), '--name', 'root-2', '--cross-signed-by', 'root')
  const args = ['import', 'root-2', at('next.pem'), '--is-root', '--cross-signed-by', 'root']
  expect((await run(...args)).code).toBe(0)
  expect(await readdir(at('data/ca'))).toContain('root-2-by-root.crt')
})

test('a step that does not fit is refused in one line, and repeated steps give the same', async () => {
  await keep('root.pem', 'init', '--root-only', at('vault'))
  await keep('again.pem', 'init', '--root-only', at('vault'))
  expect(await readFile(at('again.pem'), 'utf8')).toBe(await readFile(at('root.pem'), 'utf8'))
  await writeFile(at('junk'), 'junk')
  const refused = [
    ['sign', at('vault'), at('junk'), '--name', 'issuing-1'],
    ['sign', at('vault'), at('nowhere'), '--name', 'issuing-1'],
    ['sign', at('empty'), at('junk'), '--name', 'issuing-1'],
    ['import', 'issuing-1', at('root.pem')],
    ['import', 'issuing-1', at('junk')],
    ['import', 'issuing-1', at('root.pem'), '--key', at('junk')],
  ]
  for (const args of refused)
    expect(await run(...args)).toMatchObject({ code: 1, stderr: expect.stringMatching(/^muster: .+\n$/) })
})

test('a CA of one’s own: its chain and its key', async () => {
  const ca = await createTestCa({ now })
  await writeFile(at('chain.pem'), `${ca.issuer.certificate}${ca.root}`)
  const pem = ca.issuerKey.export({ type: 'pkcs8', format: 'pem', cipher: 'aes-256-cbc', passphrase: 'long enough' })
  await writeFile(at('key.pem'), pem)
  await writeFile(at('key.pass'), 'long enough\n')
  const other = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey
  await writeFile(at('other.pem'), other.export({ type: 'pkcs8', format: 'pem' }))
  const bring = (key: string, ...more: string[]) =>
    run('import', 'issuing-1', at('chain.pem'), '--key', at(key), ...more)
  expect((await bring('key.pem')).code).toBe(1)
  expect((await bring('key.pem', '--key-passphrase-file', at('key.pass'))).code).toBe(0)
  expect((await bring('other.pem')).code).toBe(1)
  const { issuer } = await openCa({ directory: at('data/ca'), now })
  expect(issuer.certificate.raw).toEqual(ca.issuer.certificate.raw)
})
