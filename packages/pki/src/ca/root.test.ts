import { readdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { type OpensslRoom, openOpensslRoom } from '../testing/openssl.ts'
import { requireWorking, verifyLeaf } from '../testing/verify-leaf.ts'
import { importRoot } from './import-issuer.ts'
import { createIssuingCsr } from './issuing-request.ts'
import { listCa } from './list.ts'
import { type CaOptions, openCa } from './open.ts'
import { createRoot } from './root.ts'

const now = new Date('2026-11-21T08:00:00Z')
const open = (room: OpensslRoom, options: Partial<CaOptions> = {}) =>
  openCa({ directory: room.directory, now, ...options })
const filesOf = async (room: OpensslRoom) => (await readdir(room.directory)).sort()

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

    await requireWorking(next, now)
    const sent = [...next.issuer.chain, ...(next.issuer.cross ?? [])]
    expect(await verifyLeaf(next.issuer, old.root, sent, now)).toBe('leaf.pem: OK\n')
    expect(await verifyLeaf(next.issuer, next.root, sent, now)).toBe('leaf.pem: OK\n')
    await expect(verifyLeaf(next.issuer, old.root, next.issuer.chain, now)).rejects.toThrow('verification failed')
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

test('a name that is a path is refused', async () => {
  await using room = await openOpensslRoom()
  await expect(open(room, { issuerName: '../issuing' })).rejects.toThrow(RangeError)
  await expect(createRoot({ directory: room.directory, now, name: 'a/b' })).rejects.toThrow(RangeError)
  await expect(createIssuingCsr({ directory: room.directory, name: '..' })).rejects.toThrow(RangeError)
})
