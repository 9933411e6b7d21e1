import { randomBytes } from 'node:crypto'
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { CaError } from './ca-error.ts'
import { readIfPresent, writeOnce } from './durable-file.ts'
import { fileKeyStore, type KeyStore } from './key-store.ts'

/** Where a CA is kept. */
export interface CaPlace {
  directory: string
  /** Absent: the one in `<directory>/passphrase`, which is generated with the first key. */
  passphrase?: string | undefined
  /** Absent: encrypted files in the directory. */
  keys?: KeyStore | undefined
}

export async function openKeyStore(place: CaPlace): Promise<KeyStore> {
  return place.keys ?? fileKeyStore(place.directory, await loadPassphrase(place))
}

async function loadPassphrase({ directory, passphrase }: CaPlace): Promise<string> {
  if (passphrase) return passphrase
  const path = join(directory, 'passphrase')
  // Keys before the passphrase, which another process may be making: what is seen must not look like a loss.
  const hasKeys = (await readdir(directory)).some((name) => name.endsWith('.key'))
  const stored = passphrase === undefined ? await readIfPresent(path) : undefined
  if (stored !== undefined) return stored.trim()
  if (hasKeys || passphrase === '')
    throw new CaError('passphrase-missing', `the keys in ${directory} need the passphrase they were made with`)
  return (await writeOnce(path, `${randomBytes(32).toString('base64url')}\n`, 0o600)).trim()
}
