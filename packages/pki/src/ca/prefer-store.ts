import { join } from 'node:path'
import { readIfPresent } from './durable-file.ts'
import type { KeyStore } from './key-store.ts'
import { type CaPlace, openKeyStore } from './passphrase.ts'

/** Keys are made in `store`. Those of files in `place` that it does not have open as before, until their CAs are retired. */
export function preferKeyStore(store: KeyStore, place: Omit<CaPlace, 'keys'>): KeyStore {
  return {
    create: (name) => store.create(name),
    async open(name) {
      const signer = await store.open(name)
      if (signer) return signer
      const file = await readIfPresent(join(place.directory, `${name}.key`))
      return file === undefined ? undefined : (await openKeyStore(place)).open(name)
    },
  }
}
