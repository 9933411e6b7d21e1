import { createPublicKey, type X509Certificate } from 'node:crypto'
import { readdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { issueCertificate } from '../issue.ts'
import type { Issuer } from '../issuer.ts'
import { type OpensslRoom, openOpensslRoom } from '../testing/openssl.ts'
import { poolKey } from '../testing.ts'
import { importIssuer, importRoot } from './import-issuer.ts'
import { createIssuingCsr, signIssuingCsr } from './issuing-request.ts'
import { fileKeyStore, type KeyStore, keySigner } from './key-store.ts'
import { listCa } from './list.ts'
import { moveKey } from './move-key.ts'
import { type Ca, type CaOptions, openCa } from './open.ts'
import { createRoot } from './root.ts'

const now = new Date('2026-11-21T08:00:00Z')
const open = (room: OpensslRoom, options: Partial<CaOptions> = {}) =>
  openCa({ directory: room.directory, now, ...options })
const filesOf = async (room: OpensslRoom) => (await readdir(room.directory)).sort()

async function issueLeaf(issuer: Issuer): Promise<string> {
  const { pem } = await issueCertificate(issuer, {
    identity: { fleet: 'north', group: 'pumps', device: 'pump-7', profile: 'device' },
    spki: createPublicKey(await poolKey()).export({ type: 'spki', format: 'der' }),
    trustDomain: 'muster.local',
    notBefore: now,
    notAfter: new Date(now.getTime() + 86_400_000),
  })
  return pem
}

/** What openssl says of a leaf to somebody who trusts `anchor` and was sent `sent`. */
async function verifyLeaf(issuer: Issuer, anchor: X509Certificate, sent: readonly X509Certificate[]): Promise<string> {
  await using room = await openOpensslRoom()
  await room.write('leaf.pem', await issueLeaf(issuer))
  await room.write('anchor.pem', anchor.toString())
  await room.write('sent.pem', sent.join(''))
  const time = ['-attime', String(now.getTime() / 1000 + 60)]
  const args = ['-x509_strict', '-check_ss_sig', ...time, '-CAfile', 'anchor.pem', '-untrusted', 'sent.pem', 'leaf.pem']
  return await room.openssl('verify', ...args)
}

async function requireWorking({ root, issuer }: Ca): Promise<void> {
  expect(await verifyLeaf(issuer, root, issuer.chain)).toBe('leaf.pem: OK\n')
}

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

describe('the next root', () => {
  test('is believed by those that know the old one, through the cross certificate', async () => {
    await using room = await openOpensslRoom()
    const old = await open(room)
    const { root, cross } = await createRoot({ directory: room.directory, now, name: 'root-2', crossSignedBy: 'root' })
    const next = await open(room, { issuerName: 'issuing-2', rootName: 'root-2' })
    expect(next.root.raw).toEqual(root.raw)
    expect(next.issuer.chain).toHaveLength(1)
    expect(next.issuer.cross?.map(({ raw }) => raw)).toEqual([cross?.raw])
    expect(root.subject).toBe('CN=Muster root-2\nO=muster.local')

    await requireWorking(next)
    const sent = [...next.issuer.chain, ...(next.issuer.cross ?? [])]
    expect(await verifyLeaf(next.issuer, old.root, sent)).toBe('leaf.pem: OK\n')
    expect(await verifyLeaf(next.issuer, next.root, sent)).toBe('leaf.pem: OK\n')
    await expect(verifyLeaf(next.issuer, old.root, next.issuer.chain)).rejects.toThrow('verification failed')
  })

  test('the cross certificate is above issuing CAs only and ends with the old root', async () => {
    await using room = await openOpensslRoom()
    const { root: old } = await open(room)
    const later = new Date('2036-01-01T00:00:00Z')
    const made = await createRoot({ directory: room.directory, now: later, name: 'root-2', crossSignedBy: 'root' })
    expect(made.cross?.validToDate).toEqual(old.validToDate)
    expect(made.root.validToDate > old.validToDate).toBe(true)
    const text = await room.openssl('x509', '-in', 'root-2-by-root.crt', '-noout', '-text')
    expect(text.replace(/\s+/g, ' ')).toContain('Basic Constraints: critical CA:TRUE, pathlen:1')
  })

  test('is found again without being named, and the old one goes on', async () => {
    await using room = await openOpensslRoom()
    const old = await open(room)
    await createRoot({ directory: room.directory, now, name: 'root-2', crossSignedBy: 'root' })
    const made = await open(room, { issuerName: 'issuing-2', rootName: 'root-2' })
    const again = await open(room, { issuerName: 'issuing-2' })
    expect(again.root.raw).toEqual(made.root.raw)
    const before = await open(room)
    expect(before.root.raw).toEqual(old.root.raw)
    expect(before.issuer.cross).toBeUndefined()
  })

  test('goes on where its creation was cut off, and is never made anew', async () => {
    await using room = await openOpensslRoom()
    await open(room)
    const options = { directory: room.directory, now, name: 'root-2', crossSignedBy: 'root' }
    const first = await createRoot(options)
    expect((await createRoot(options)).cross?.raw).toEqual(first.cross?.raw)
    await rm(join(room.directory, 'root-2-by-root.crt'))
    const second = await createRoot(options)
    expect(second.root.raw).toEqual(first.root.raw)
    await rm(join(room.directory, 'root-2-by-root.crt'))
    await rm(join(room.directory, 'root-2.crt'))
    const third = await createRoot(options)
    expect(third.root.publicKey.equals(first.root.publicKey)).toBe(true)
    expect(await filesOf(room)).toEqual(
      [
        'issuing-1.crt',
        'issuing-1.key',
        'passphrase',
        'root-2-by-root.crt',
        'root-2.crt',
        'root-2.key',
        'root.crt',
      ].concat('root.key'),
    )
  })

  test('needs the key of the old one', async () => {
    await using room = await openOpensslRoom()
    await open(room)
    await rm(join(room.directory, 'root.key'))
    const options = { directory: room.directory, now, name: 'root-2', crossSignedBy: 'root' }
    await expect(createRoot(options)).rejects.toMatchObject({ code: 'key-missing' })
    await expect(createRoot({ ...options, crossSignedBy: 'root-0' })).rejects.toMatchObject({
      code: 'certificate-missing',
    })
  })

  test('made elsewhere is taken in', async () => {
    await using offline = await openOpensslRoom()
    await using online = await openOpensslRoom()
    await createRoot({ directory: offline.directory, now })
    const { root, cross } = await createRoot({
      directory: offline.directory,
      now,
      name: 'root-2',
      crossSignedBy: 'root',
    })
    const first = String(await offline.read('root.crt'))
    await importRoot({ directory: online.directory, now, name: 'root', certificates: first })
    const both = {
      directory: online.directory,
      now,
      name: 'root-2',
      certificates: `${root}${cross}`,
      crossSignedBy: 'root',
    }
    await importRoot(both)
    await importRoot(both)
    const listing = await listCa(online.directory)
    expect(listing.roots.map(({ name }) => name)).toEqual(['root', 'root-2'])
    expect(listing.crosses).toMatchObject([{ name: 'root-2-by-root', root: 'root-2', by: 'root' }])
    await expect(importRoot({ ...both, certificates: `${root}${root}` })).rejects.toMatchObject({
      code: 'certificate-invalid',
    })
    await expect(importRoot({ ...both, certificates: `${cross}` })).rejects.toMatchObject({
      code: 'certificate-invalid',
    })
    const other = { directory: online.directory, now, name: 'root', certificates: root.toString() }
    await expect(importRoot(other)).rejects.toMatchObject({ code: 'already-exists' })
  })
})

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
    await requireWorking(ca)
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
      await requireWorking(await open(online, { issuerName, passphrase: 'given' }))
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

type Certified = Record<'issuing' | 'inter' | 'root', string>

describe('moving a key', () => {
  test('from a file to a token: the CA opens with either', async () => {
    await using room = await openOpensslRoom()
    await open(room, { passphrase: 'given' })
    const files = fileKeyStore(room.directory, 'given')
    const token = heldKeys(true)
    await moveKey('issuing-1', files, token)
    await rm(join(room.directory, 'issuing-1.key'))
    await requireWorking(await open(room, { keys: token }))
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

test('a name that is a path is refused', async () => {
  await using room = await openOpensslRoom()
  await expect(open(room, { issuerName: '../issuing' })).rejects.toThrow(RangeError)
  await expect(createRoot({ directory: room.directory, now, name: 'a/b' })).rejects.toThrow(RangeError)
  await expect(createIssuingCsr({ directory: room.directory, name: '..' })).rejects.toThrow(RangeError)
})
