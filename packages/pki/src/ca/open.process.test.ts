import { execFileSync, spawn } from 'node:child_process'
import { createPublicKey } from 'node:crypto'
import { once } from 'node:events'
import { copyFile, mkdir, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { issueCertificate } from '../issue.ts'
import { type OpensslRoom, openOpensslRoom } from '../testing/openssl.ts'
import { createTestCa, poolKey } from '../testing.ts'
import { createIssuingCertificate, createRootCertificate } from './certificates.ts'
import { fileKeyStore, keySigner } from './key-store.ts'
import { type CaOptions, openCa } from './open.ts'

const now = new Date('2026-11-21T08:00:00Z')
/** In the order in which they are made. */
const files = ['passphrase', 'root.key', 'root.crt', 'issuing-1.key', 'issuing-1.crt']

const open = (room: OpensslRoom, options: Partial<CaOptions> = {}) =>
  openCa({ directory: room.directory, now, ...options })

async function contents(room: OpensslRoom): Promise<Record<string, string>> {
  const names = await readdir(room.directory)
  const texts = await Promise.all(names.map(async (name) => [name, String(await room.read(name))] as const))
  return Object.fromEntries(texts)
}

async function requireWorking(room: OpensslRoom, options: Partial<CaOptions> = {}): Promise<void> {
  const { issuer } = await open(room, options)
  const { pem } = await issueCertificate(issuer, {
    identity: { fleet: 'north', group: 'pumps', device: 'pump-7', profile: 'device' },
    spki: createPublicKey(await poolKey()).export({ type: 'spki', format: 'der' }),
    trustDomain: 'muster.local',
    notBefore: now,
    notAfter: new Date(now.getTime() + 86_400_000),
  })
  const attime = String(now.getTime() / 1000 + 60)
  const args = ['-attime', attime, '-CAfile', 'root.crt', '-untrusted', 'issuing-1.crt']
  const verified = execFileSync('openssl', ['verify', '-x509_strict', '-check_ss_sig', ...args], {
    cwd: room.directory,
    input: pem,
  })
  expect(String(verified)).toBe('stdin: OK\n')
}

describe('works', () => {
  test('makes a root and an issuing CA, and opens the same ones again', async () => {
    await using room = await openOpensslRoom()
    const made = await open(room)
    const first = await contents(room)
    const opened = await open(room)
    expect(await contents(room)).toEqual(first)
    expect(Object.keys(first).sort()).toEqual([...files].sort())
    expect(opened.root.raw).toEqual(made.root.raw)
    expect(opened.issuer.certificate.raw).toEqual(made.issuer.certificate.raw)
    expect(opened.issuer.chain.map((certificate) => certificate.raw)).toEqual([made.issuer.certificate.raw])
    expect(opened.issuer.name).toBe('issuing-1')
    await requireWorking(room)
  })

  test('as openssl prints them: 20 and 10 years, path length 0, certificates and CRLs', async () => {
    await using room = await openOpensslRoom()
    await open(room, { trustDomain: 'fleet.example' })
    const print = async (file: string) =>
      (await room.openssl('x509', '-in', file, '-noout', '-text')).replace(/\s+/g, ' ')
    const root = await print('root.crt')
    expect(root).toContain('Subject: CN = Muster root, O = fleet.example')
    expect(root).toContain('Not After : Nov 21 08:00:00 2046 GMT')
    expect(root).toContain('Basic Constraints: critical CA:TRUE X509v3')
    expect(root).toContain('Key Usage: critical Certificate Sign, CRL Sign X509v3')
    const issuing = await print('issuing-1.crt')
    expect(issuing).toContain('Issuer: CN = Muster root, O = fleet.example')
    expect(issuing).toContain('Subject: CN = Muster issuing-1, O = fleet.example')
    expect(issuing).toContain('Not After : Nov 21 08:00:00 2036 GMT')
    expect(issuing).toContain('Basic Constraints: critical CA:TRUE, pathlen:0')
    expect(issuing).toContain('Key Usage: critical Digital Signature, Certificate Sign, CRL Sign')
  })

  test('with the passphrase that was given, which is written nowhere', async () => {
    await using room = await openOpensslRoom()
    const passphrase = 'correct horse battery staple'
    await open(room, { passphrase })
    const all = await contents(room)
    expect(Object.keys(all)).not.toContain('passphrase')
    expect(JSON.stringify(all)).not.toContain(passphrase)
    await requireWorking(room, { passphrase })
  })

  test('a second issuing CA under the same root', async () => {
    await using room = await openOpensslRoom()
    const first = await open(room)
    const second = await open(room, { issuerName: 'issuing-2' })
    expect(second.root.raw).toEqual(first.root.raw)
    expect(second.issuer.certificate.subject).toBe('CN=Muster issuing-2\nO=muster.local')
    expect(second.issuer.certificate.verify(first.root.publicKey)).toBe(true)
  })

  test('without the root key, once the issuing CA is there', async () => {
    await using room = await openOpensslRoom()
    await open(room)
    await rm(join(room.directory, 'root.key'))
    await requireWorking(room)
    await expect(open(room, { issuerName: 'issuing-2' })).rejects.toMatchObject({ code: 'key-missing' })
  })

  test('with another key store', async () => {
    await using room = await openOpensslRoom()
    const held = new Map<string, ReturnType<typeof keySigner>>()
    const keys: CaOptions['keys'] = {
      open: async (name) => held.get(name),
      async create(name) {
        const signer = keySigner(await poolKey('p384', held.size))
        held.set(name, signer)
        return signer
      },
    }
    await requireWorking(room, { keys })
    await requireWorking(room, { keys })
    expect((await readdir(room.directory)).sort()).toEqual(['issuing-1.crt', 'root.crt'])
  })
})

describe('rejects', () => {
  test('another passphrase', async () => {
    await using room = await openOpensslRoom()
    await open(room, { passphrase: 'right' })
    const before = await contents(room)
    await expect(open(room, { passphrase: 'wrong' })).rejects.toMatchObject({ code: 'passphrase-wrong' })
    await expect(open(room, { passphrase: '' })).rejects.toMatchObject({ code: 'passphrase-missing' })
    await expect(open(room)).rejects.toMatchObject({ code: 'passphrase-missing' })
    expect(await contents(room)).toEqual(before)
  })

  test('another passphrase for a creation that was cut off', async () => {
    await using room = await openOpensslRoom()
    await open(room, { passphrase: 'right' })
    for (const file of ['root.crt', 'issuing-1.key', 'issuing-1.crt']) await rm(join(room.directory, file))
    await expect(open(room, { passphrase: 'wrong' })).rejects.toMatchObject({ code: 'passphrase-wrong' })
    await expect(open(room)).rejects.toMatchObject({ code: 'passphrase-missing' })
    await requireWorking(room, { passphrase: 'right' })
  })

  test.each([
    ['root.crt', 'certificate-missing'],
    ['issuing-1.key', 'key-missing'],
  ])('a CA whose %s was lost: no other takes its place', async (file, code) => {
    await using room = await openOpensslRoom()
    await open(room)
    await rm(join(room.directory, file))
    const before = await contents(room)
    await expect(open(room)).rejects.toMatchObject({ code })
    expect(await contents(room)).toEqual(before)
  })

  test('files of another CA', async () => {
    await using room = await openOpensslRoom()
    await using other = await openOpensslRoom()
    await open(room)
    await open(other, { passphrase: String(await room.read('passphrase')).trim() })
    const swapped: [string, string][] = [
      ['root.crt', 'certificate-invalid'],
      ['issuing-1.crt', 'certificate-invalid'],
      ['issuing-1.key', 'key-mismatch'],
    ]
    for (const [file, code] of swapped) {
      const own = await room.read(file)
      await copyFile(join(other.directory, file), join(room.directory, file))
      await expect(open(room), file).rejects.toMatchObject({ code })
      await room.write(file, own)
    }
    await requireWorking(room)
  })

  test('a root certificate that does not belong to the root key', async () => {
    await using room = await openOpensslRoom()
    await open(room)
    await room.write('root.crt', (await createTestCa({ now })).root.toString())
    for (const file of ['issuing-1.crt', 'issuing-1.key']) await rm(join(room.directory, file))
    await expect(open(room)).rejects.toMatchObject({ code: 'key-mismatch' })
  })

  test('certificates that are none, or no CA’s', async () => {
    await using room = await openOpensslRoom()
    const { root } = await open(room)
    const ca = await createTestCa({ now })
    const leaf = await ca.issue({ device: 'pump-7' }, await poolKey())
    for (const text of ['', 'no certificate', leaf.pem, ca.issuer.certificate.toString()]) {
      await room.write('root.crt', text)
      await expect(open(room)).rejects.toMatchObject({ code: 'certificate-invalid' })
    }
    await room.write('root.crt', root.toString())
    await requireWorking(room)
  })

  test('a root that is no CA', async () => {
    await using room = await openOpensslRoom()
    const options = ['-subj', '/CN=Muster root', '-addext', 'basicConstraints=critical,CA:FALSE', '-days', '4000']
    const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-keyout', 'key.pem']
    await room.openssl('req', '-x509', ...key, ...options, '-out', 'root.crt')
    await expect(open(room)).rejects.toMatchObject({ code: 'certificate-invalid' })
  })

  test('an issuing CA of another key, or another name, than the root’s', async () => {
    await using room = await openOpensslRoom()
    const passphrase = 'right'
    const { root, issuer } = await open(room, { passphrase })
    const signer = await fileKeyStore(room.directory, passphrase).open('root')
    if (!signer) throw new Error('no root key')
    const spki = issuer.certificate.publicKey.export({ type: 'spki', format: 'der' })
    const subject = { name: 'issuing-1', spki, trustDomain: 'muster.local' }
    const sameKey = { certificate: await createRootCertificate(signer, 'elsewhere', now), signer }
    const sameName = { certificate: root, signer: keySigner(await poolKey()) }
    for (const other of [sameKey, sameName]) {
      await room.write('issuing-1.crt', (await createIssuingCertificate(other, subject, now)).toString())
      await expect(open(room, { passphrase })).rejects.toMatchObject({ code: 'certificate-invalid' })
    }
    const { certificate } = issuer
    await room.write('issuing-1.crt', certificate.toString())
    await requireWorking(room, { passphrase })
  })

  test('an expired CA', async () => {
    await using room = await openOpensslRoom()
    await open(room)
    const later = { now: new Date('2037-01-01T00:00:00Z') }
    await expect(open(room, later)).rejects.toMatchObject({ code: 'certificate-expired' })
  })
})

describe('is safe', async () => {
  test('secrets are for the owner only', async () => {
    await using room = await openOpensslRoom()
    const directory = join(room.directory, 'data', 'ca')
    await openCa({ directory, now })
    const mode = async (path: string) => (await stat(path)).mode & 0o777
    expect(await mode(directory)).toBe(0o700)
    for (const file of ['passphrase', 'root.key', 'issuing-1.key'])
      expect(await mode(join(directory, file))).toBe(0o600)
    for (const file of ['root.key', 'issuing-1.key'])
      expect(await readFile(join(directory, file), 'utf8')).toMatch(/^-----BEGIN ENCRYPTED PRIVATE KEY-----/)
    expect(await readFile(join(directory, 'passphrase'), 'utf8')).toMatch(/^[\w-]{43}\n$/)
  })

  const complete = await (async () => {
    await using room = await openOpensslRoom()
    await open(room)
    return contents(room)
  })()

  test.each(files.map((_, made) => made))('a creation that was cut off after %i files goes on', async (made) => {
    await using room = await openOpensslRoom()
    for (const file of files.slice(0, made)) await room.write(file, complete[file] ?? '')
    await requireWorking(room)
    const resumed = await contents(room)
    for (const file of files.slice(0, made)) expect(resumed[file]).toBe(complete[file])
    expect(Object.keys(resumed).sort()).toEqual([...files].sort())
  })

  test('a draft that a crash left behind does no harm', async () => {
    await using room = await openOpensslRoom()
    await writeFile(join(room.directory, 'root.key.0123456789ab.tmp'), 'half a k', { mode: 0o600 })
    await requireWorking(room)
  })

  test('several at once make one CA', async () => {
    await using room = await openOpensslRoom()
    const all = await Promise.all(Array.from({ length: 4 }, () => open(room)))
    expect(new Set(all.map((ca) => ca.root.fingerprint256)).size).toBe(1)
    expect(new Set(all.map((ca) => ca.issuer.certificate.fingerprint256)).size).toBe(1)
    await requireWorking(room)
  })

  test('a kill -9 at any time leaves something that can be opened', async () => {
    await using room = await openOpensslRoom()
    const source = new URL('./open.ts', import.meta.url).href
    const program = `const { openCa } = await import(${JSON.stringify(source)}); process.stdout.write('go');
      await openCa({ directory: process.argv[1], now: new Date(${now.getTime()}) })`
    for (let round = 0; round < 4; round++) {
      const directory = join(room.directory, String(round))
      await mkdir(directory)
      const child = spawn(process.execPath, ['--input-type=module', '-e', program, directory])
      await once(child.stdout, 'data')
      setTimeout(() => child.kill('SIGKILL'), round * 40)
      await once(child, 'exit')
      await requireWorking({ ...room, directory })
    }
  }, 30_000)
})
