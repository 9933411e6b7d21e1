import { createPrivateKey, createPublicKey, type KeyObject, X509Certificate } from 'node:crypto'
import { open } from 'node:fs/promises'
import { join } from 'node:path'
import { MusterError } from '@muster/contracts'
import { type DeviceStore, StoredEnrolment } from './device-store.ts'
import { type Disk, hasCode, makeDirectory, realDisk } from './disk.ts'
import { removeAbandonedDrafts, withDraft } from './drafts.ts'

/**
 * A store in a directory: `key.pem`, and once enrolled `certificate.pem` (leaf and chain) and `roots.pem` for any TLS tool.
 * `enrolment.json` is the one that counts: the other two are made from it again if they differ.
 * @throws MusterError `forbidden` if others may read the key, `internal` if the files contradict each other
 */
export async function openStore(directory: string, disk: Disk = realDisk): Promise<DeviceStore> {
  await makeDirectory(directory, disk)
  await removeAbandonedDrafts(directory, disk)
  const path = (name: string) => join(directory, name)

  const replace = async (name: string, content: string) => {
    await withDraft(directory, name, disk, async (draft) => {
      await disk.writeSynced(draft, content, 0o644)
      await disk.rename(draft, path(name))
    })
  }

  const writeDerived = async ({ enrolment, roots }: StoredEnrolment) => {
    const files = { 'certificate.pem': enrolment.certificate + enrolment.chain, 'roots.pem': roots }
    for (const [name, content] of Object.entries(files))
      if ((await readText(path(name))) !== content) await replace(name, content)
    await disk.syncDirectory(directory)
  }

  let keyIsDurable = false
  const store: DeviceStore = {
    async loadKey() {
      const key = await readKey(path('key.pem'))
      // Whoever made it may have died before its name was on disk.
      if (key && !keyIsDurable) await disk.syncDirectory(directory)
      keyIsDurable = key !== undefined
      return key
    },

    async addKey(key) {
      await withDraft(directory, 'key.pem', disk, async (draft) => {
        await disk.writeSynced(draft, key.export({ type: 'pkcs8', format: 'pem' }).toString(), 0o600)
        // A link never replaces: of two processes that make a key at once, both go on with the same one.
        await disk.link(draft, path('key.pem')).catch((error: unknown) => {
          if (!hasCode(error, 'EEXIST')) throw error
        })
        await disk.remove(draft)
      })
      const kept = await store.loadKey()
      if (!kept) throw damaged(directory, 'key.pem has disappeared')
      return kept
    },

    async loadEnrolment() {
      const text = await readText(path('enrolment.json'))
      if (text === undefined) return undefined
      const stored = parseStored(text, directory)
      const key = await store.loadKey()
      if (!key) throw damaged(directory, 'there is a certificate, but no key.pem')
      if (!certifies(stored.enrolment.certificate, key)) throw damaged(directory, 'key.pem is not the certified key')
      return stored
    },

    async saveEnrolment(enrolment) {
      await replace('enrolment.json', `${JSON.stringify(enrolment, undefined, 2)}\n`)
      await disk.syncDirectory(directory)
      await writeDerived(enrolment)
    },
  }

  await store.loadKey()
  const stored = await store.loadEnrolment()
  if (stored) await writeDerived(stored)
  return store
}

async function readKey(path: string): Promise<KeyObject | undefined> {
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

async function readText(path: string, checkMode?: (mode: number) => void): Promise<string | undefined> {
  try {
    await using file = await open(path, 'r')
    checkMode?.((await file.stat()).mode)
    return await file.readFile('utf8')
  } catch (error) {
    if (hasCode(error, 'ENOENT')) return undefined
    throw error
  }
}

function parseStored(text: string, directory: string): StoredEnrolment {
  try {
    return StoredEnrolment.parse(JSON.parse(text))
  } catch (cause) {
    throw damaged(directory, 'enrolment.json cannot be read', cause)
  }
}

function certifies(certificate: string, key: KeyObject): boolean {
  return new X509Certificate(certificate).publicKey.equals(createPublicKey(key))
}

function damaged(directory: string, why: string, cause?: unknown): MusterError {
  return new MusterError('internal', `the device store ${directory} is damaged: ${why}`, { cause })
}
