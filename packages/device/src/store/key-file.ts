import { createPrivateKey, type KeyObject } from 'node:crypto'
import { open } from 'node:fs/promises'
import { join } from 'node:path'
import { MusterError } from '@muster/contracts'
import { type Disk, hasCode } from './disk.ts'
import { withDraft } from './drafts.ts'

/** The key in a file, if there is one. @throws MusterError `forbidden` if others may use it, `internal` if it is none */
export async function readKey(path: string): Promise<KeyObject | undefined> {
  const pem = await readText(path, (mode) => {
    if (mode & 0o077)
      throw new MusterError(
        'forbidden',
        `${path} may be used by others (mode ${(mode & 0o777).toString(8)}): chmod 600`,
      )
  })
  if (pem === undefined) return undefined
  try {
    return createPrivateKey(pem)
  } catch (cause) {
    throw new MusterError('internal', `${path} is not a private key`, { cause })
  }
}

/** Writes a key under a name that is not taken yet; else nothing. The name is durable after the directory is synced. */
export async function addKeyFile(directory: string, name: string, key: KeyObject, disk: Disk): Promise<void> {
  await withDraft(directory, name, disk, async (draft) => {
    await disk.writeSynced(draft, key.export({ type: 'pkcs8', format: 'pem' }).toString(), 0o600)
    // A link never replaces: of two processes that make a key at once, both go on with the same one.
    await disk.link(draft, join(directory, name)).catch((error: unknown) => {
      if (!hasCode(error, 'EEXIST')) throw error
    })
    await disk.remove(draft)
  })
}

/** A file as it is, or undefined where there is none. */
export async function readText(path: string, checkMode?: (mode: number) => void): Promise<string | undefined> {
  try {
    await using file = await open(path, 'r')
    checkMode?.((await file.stat()).mode)
    return await file.readFile('utf8')
  } catch (error) {
    if (hasCode(error, 'ENOENT')) return undefined
    throw error
  }
}
