import { readdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { openOpensslRoom } from '../testing/openssl.ts'
import { requireWorking } from '../testing/verify-leaf.ts'
import { poolKey } from '../testing.ts'
import { type KeyStore, keySigner } from './key-store.ts'
import { openCa } from './open.ts'
import { preferKeyStore } from './prefer-store.ts'

const now = new Date('2026-11-21T08:00:00Z')

function token(): KeyStore {
  const held = new Map<string, ReturnType<typeof keySigner>>()
  return {
    open: async (name) => held.get(name),
    async create(name) {
      const signer = keySigner(await poolKey('p384', held.size))
      held.set(name, signer)
      return signer
    },
  }
}

test('what is in files stays good, what is new is made in the store, and the files can go when nothing needs them', async () => {
  await using room = await openOpensslRoom()
  const { directory } = room
  const before = await openCa({ directory, now })
  const store = token()
  const keys = preferKeyStore(store, { directory })
  expect((await openCa({ directory, now, keys })).issuer.certificate.raw).toEqual(before.issuer.certificate.raw)
  const next = await openCa({ directory, now, keys, issuerName: 'issuing-2' })
  expect(next.root.raw).toEqual(before.root.raw)
  await requireWorking(next, now)
  expect(await store.open('issuing-2')).toBeDefined()
  expect(await store.open('issuing-1')).toBeUndefined()
  for (const file of ['root.key', 'issuing-1.key', 'passphrase']) await rm(join(directory, file))
  await requireWorking(await openCa({ directory, now, keys, issuerName: 'issuing-2' }), now)
})

test('without files none are made: no passphrase either', async () => {
  await using room = await openOpensslRoom()
  const { directory } = room
  await requireWorking(await openCa({ directory, now, keys: preferKeyStore(token(), { directory }) }), now)
  expect((await readdir(directory)).filter((file) => !file.endsWith('.pem')).sort()).toEqual([
    'issuing-1.crt',
    'root.crt',
  ])
})

test('a store that does not answer is not passed over', async () => {
  await using room = await openOpensslRoom()
  const { directory } = room
  await openCa({ directory, now })
  const away: KeyStore = {
    open: () => Promise.reject(new Error('away')),
    create: () => Promise.reject(new Error('away')),
  }
  await expect(openCa({ directory, now, keys: preferKeyStore(away, { directory }) })).rejects.toThrow('away')
})
