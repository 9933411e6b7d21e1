import { readdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { type OpensslRoom, openOpensslRoom } from '../testing/openssl.ts'
import { requireWorking } from '../testing/verify-leaf.ts'
import { poolKey } from '../testing.ts'
import { importIssuer } from './import-issuer.ts'
import { createIssuingCsr, signIssuingCsr } from './issuing-request.ts'
import { fileKeyStore, type KeyStore, keySigner } from './key-store.ts'
import { listCa } from './list.ts'
import { moveKey } from './move-key.ts'
import { type CaOptions, openCa } from './open.ts'
import { createRoot } from './root.ts'

const now = new Date('2026-11-21T08:00:00Z')
const open = (room: OpensslRoom, options: Partial<CaOptions> = {}) =>
  openCa({ directory: room.directory, now, ...options })
const filesOf = async (room: OpensslRoom) => (await readdir(room.directory)).sort()

/** Keys that cannot be read, as in a token. */
function heldKeys(import_ = false): KeyStore & { held: Map<string, ReturnType<typeof keySigner>> } {
  const held = new Map<string, ReturnType<typeof keySigner>>()
  const keep = (name: string, signer: ReturnType<typeof keySigner>) => {
    held.set(name, signer)
    return signer
  }
  return {
    held,
    open: async (name) => held.get(name),
    create: async (name) => keep(name, keySigner(await poolKey('p384', held.size))),
    ...(import_ && { import: async (name, key) => keep(name, keySigner(key)) }),
  }
}

describe('an offline root', () => {
  test.each(['files', 'a token'])('signs a request that was made elsewhere (%s)', async (where) => {
    await using offline = await openOpensslRoom()
    await using online = await openOpensslRoom()
    const keys = where === 'files' ? undefined : heldKeys()
    const { root } = await createRoot({ directory: offline.directory, now, trustDomain: 'fleet.example' })
    expect(await filesOf(offline)).toEqual(['passphrase', 'root.crt', 'root.key'])

    const csr = await createIssuingCsr({ directory: online.directory, name: 'issuing-1', keys })
    const signed = await signIssuingCsr({ directory: offline.directory, now, csr, name: 'issuing-1' })
    expect(signed.subject).toBe('CN=Muster issuing-1\nO=fleet.example')
    const certificates = `${signed}${root}`
    await importIssuer({ directory: online.directory, now, name: 'issuing-1', certificates, keys })

    const files = await filesOf(online)
    expect(files).not.toContain('root.key')
    const ca = await open(online, { keys })
    expect(ca.root.raw).toEqual(root.raw)
    await requireWorking(ca, now)
  })

  test('the same request gets the same certificate, another for its name is refused', async () => {
    await using offline = await openOpensslRoom()
    await using online = await openOpensslRoom()
    await createRoot({ directory: offline.directory, now })
    const sign = (csr: string) => signIssuingCsr({ directory: offline.directory, now, csr, name: 'issuing-1' })
    const csr = await createIssuingCsr({ directory: online.directory, name: 'issuing-1' })
    const first = await sign(csr)
    expect((await sign(csr)).raw).toEqual(first.raw)
    const again = await createIssuingCsr({ directory: online.directory, name: 'issuing-1' })
    expect((await sign(again)).raw).toEqual(first.raw)
    const other = await createIssuingCsr({ directory: online.directory, name: 'issuing-9' })
    await expect(sign(other)).rejects.toMatchObject({ code: 'key-mismatch' })
    await expect(sign('MIIB')).rejects.toMatchObject({ code: 'request-invalid' })
  })

  test('a second issuing CA under it, with the first at work', async () => {
    await using offline = await openOpensslRoom()
    await using online = await openOpensslRoom()
    await createRoot({ directory: offline.directory, now })
    for (const name of ['issuing-1', 'issuing-2']) {
      const csr = await createIssuingCsr({ directory: online.directory, name, passphrase: 'given' })
      const signed = await signIssuingCsr({ directory: offline.directory, now, csr, name })
      const certificates = name === 'issuing-1' ? `${signed}${await offline.read('root.crt')}` : `${signed}`
      await importIssuer({ directory: online.directory, now, name, certificates, passphrase: 'given' })
    }
    for (const issuerName of ['issuing-1', 'issuing-2'])
      await requireWorking(await open(online, { issuerName, passphrase: 'given' }), now)
    expect(await listCa(online.directory)).toMatchObject({
      roots: [{ name: 'root' }],
      crosses: [],
      issuers: [
        { name: 'issuing-1', root: 'root' },
        { name: 'issuing-2', root: 'root' },
      ],
    })
    // With a passphrase that was given, none may be made up later.
    await expect(open(online)).rejects.toMatchObject({ code: 'passphrase-missing' })
  })
})

describe('moving a key', () => {
  test('from a file to a token: the CA opens with either', async () => {
    await using room = await openOpensslRoom()
    await open(room, { passphrase: 'given' })
    const files = fileKeyStore(room.directory, 'given')
    const token = heldKeys(true)
    await moveKey('issuing-1', files, token)
    await rm(join(room.directory, 'issuing-1.key'))
    await requireWorking(await open(room, { keys: token }), now)
    await expect(open(room, { passphrase: 'given' })).rejects.toMatchObject({ code: 'key-missing' })
  })

  test('rejects what cannot be moved', async () => {
    await using room = await openOpensslRoom()
    await open(room, { passphrase: 'given' })
    const files = fileKeyStore(room.directory, 'given')
    await expect(moveKey('issuing-9', files, heldKeys(true))).rejects.toMatchObject({ code: 'key-missing' })
    await expect(moveKey('root', files, heldKeys())).rejects.toMatchObject({ code: 'key-missing' })
    const wrong: KeyStore = { ...heldKeys(), import: async () => keySigner(await poolKey()) }
    await expect(moveKey('root', files, wrong)).rejects.toMatchObject({ code: 'key-mismatch' })
    await expect(files.import('root', await poolKey())).rejects.toMatchObject({ code: 'already-exists' })
  })
})

type Certified = Record<'issuing' | 'inter' | 'root', string>

describe('a foreign CA', () => {
  /** A root, an intermediate and a certificate for `csr`, all by openssl. */
  async function certifyElsewhere(csr: string, pathLength: number, usage = 'keyCertSign,cRLSign,digitalSignature') {
    await using room = await openOpensslRoom()
    await room.write('issuing.csr', csr)
    const ca = (length: number, use: string) =>
      `basicConstraints=critical,CA:TRUE,pathlen:${length}\nkeyUsage=critical,${use}\nsubjectKeyIdentifier=hash\n`
    await room.write('inter.ext', ca(pathLength, 'keyCertSign,cRLSign'))
    await room.write('issuing.ext', ca(0, usage))
    const newKey = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-384', '-nodes', '-config', '/dev/null']
    await room.openssl(
      ...['req', '-x509', ...newKey, '-keyout', 'root.key', '-subj', '/O=Plant/CN=Plant root', '-out', 'root.pem'],
      ...[
        '-days',
        '3650',
        '-addext',
        'basicConstraints=critical,CA:TRUE',
        '-addext',
        'keyUsage=critical,keyCertSign,cRLSign',
      ],
    )
    await room.openssl('req', ...newKey, '-keyout', 'inter.key', '-subj', '/O=Plant/CN=Plant CA', '-out', 'inter.csr')
    const sign = (name: string, by: string) =>
      room.openssl(
        ...['x509', '-req', '-in', `${name}.csr`, '-CA', `${by}.pem`, '-CAkey', `${by}.key`, '-days', '2000'],
        ...['-extfile', `${name}.ext`, '-out', `${name}.pem`, '-set_serial', '0x5a'],
      )
    await sign('inter', 'root')
    await sign('issuing', 'inter')
    const [issuing, inter, root] = await Promise.all(['issuing', 'inter', 'root'].map((n) => room.read(`${n}.pem`)))
    return { issuing: String(issuing), inter: String(inter), root: String(root) }
  }

  test('with an intermediate: chain and leaf hold', async () => {
    await using room = await openOpensslRoom()
    const csr = await createIssuingCsr({ directory: room.directory, name: 'issuing-1' })
    const { issuing, inter, root } = await certifyElsewhere(csr, 1)
    const late = new Date(Date.now() + 1000)
    await importIssuer({
      directory: room.directory,
      now: late,
      name: 'issuing-1',
      certificates: issuing + inter + root,
    })
    const ca = await open(room, { now: late })
    expect(ca.issuer.chain.map(({ subject }) => subject)).toEqual(['CN=Muster issuing-1', 'O=Plant\nCN=Plant CA'])
    expect(ca.root.subject).toBe('O=Plant\nCN=Plant root')
    const [listed] = (await listCa(room.directory)).issuers
    expect(listed).toMatchObject({ name: 'issuing-1', root: 'root' })
    expect(listed?.chain).toHaveLength(2)
  })

  test('beside our own root', async () => {
    await using room = await openOpensslRoom()
    await open(room)
    const csr = await createIssuingCsr({ directory: room.directory, name: 'issuing-2' })
    const { issuing, inter, root } = await certifyElsewhere(csr, 1)
    const late = new Date(Date.now() + 1000)
    const options = { directory: room.directory, now: late, name: 'issuing-2', certificates: issuing + inter + root }
    await expect(importIssuer(options)).rejects.toMatchObject({ code: 'already-exists' })
    await importIssuer({ ...options, rootName: 'plant' })
    expect((await open(room, { now: late, issuerName: 'issuing-2' })).root.subject).toContain('Plant root')
    expect((await open(room, { now: late })).root.subject).toContain('Muster root')
  })

  test.each([
    ['without the root', (c: Certified) => c.issuing + c.inter, 'certificate-missing'],
    ['without the intermediate', (c: Certified) => c.issuing + c.root, 'certificate-invalid'],
    ['in another order', (c: Certified) => c.inter + c.issuing + c.root, 'certificate-invalid'],
    ['the root alone', (c: Certified) => c.root, 'certificate-invalid'],
    ['something else', () => 'nothing', 'certificate-invalid'],
    ['the intermediate in its place', (c: Certified) => c.inter + c.root, 'key-mismatch'],
  ])('is refused %s, and nothing is kept', async (_, pick, code) => {
    await using room = await openOpensslRoom()
    const csr = await createIssuingCsr({ directory: room.directory, name: 'issuing-1' })
    const before = await filesOf(room)
    const certificates = pick(await certifyElsewhere(csr, 1))
    const options = { directory: room.directory, now: new Date(Date.now() + 1000), name: 'issuing-1', certificates }
    await expect(importIssuer(options)).rejects.toMatchObject({ code })
    expect(await filesOf(room)).toEqual(before)
  })

  test('is refused where it may do less than an issuing CA must', async () => {
    await using room = await openOpensslRoom()
    const csr = await createIssuingCsr({ directory: room.directory, name: 'issuing-1' })
    const now = new Date(Date.now() + 1000)
    for (const { issuing, inter, root } of [
      await certifyElsewhere(csr, 0),
      await certifyElsewhere(csr, 1, 'keyCertSign'),
    ]) {
      const options = { directory: room.directory, now, name: 'issuing-1', certificates: issuing + inter + root }
      await expect(importIssuer(options)).rejects.toMatchObject({ code: 'certificate-invalid' })
    }
  })

  test('is refused for a key that is not here', async () => {
    await using elsewhere = await openOpensslRoom()
    await using room = await openOpensslRoom()
    const csr = await createIssuingCsr({ directory: elsewhere.directory, name: 'issuing-1' })
    const { issuing, inter, root } = await certifyElsewhere(csr, 1)
    const now = new Date(Date.now() + 1000)
    const options = { directory: room.directory, now, name: 'issuing-1', certificates: issuing + inter + root }
    await expect(importIssuer(options)).rejects.toMatchObject({ code: 'key-missing' })
  })
})
