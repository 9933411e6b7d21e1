import type { KeyObject } from 'node:crypto'
import { join } from 'node:path'
import { MusterError } from '@muster/contracts'
import { type DeviceStore, StoredEnrolment } from './device-store.ts'
import { type Disk, makeDirectory, realDisk } from './disk.ts'
import { removeAbandonedDrafts, removeIfPresent, withDraft } from './drafts.ts'
import { addKeyFile, readKey, readText } from './key-file.ts'
import { certifies } from './load-credentials.ts'

interface Current {
  key: KeyObject | undefined
  stored: StoredEnrolment | undefined
  /** The key is still called the next one. */
  promoting?: boolean
}

/**
 * A store in a directory: `key.pem`, and once enrolled `certificate.pem` (leaf and chain) and `roots.pem` for any TLS tool.
 * `enrolment.json` is the one that counts: the other two are made from it again if they differ.
 * During a renewal `next.json` and, for a new key, `next-key.pem` are beside them.
 * @throws MusterError `forbidden` if others may read the key, `internal` if the files contradict each other
 */
export async function openStore(directory: string, disk: Disk = realDisk): Promise<DeviceStore> {
  await makeDirectory(directory, disk)
  await removeAbandonedDrafts(directory, disk)
  const store = createFileStore(directory, disk)
  await store.repair()
  return store
}

function createFileStore(directory: string, disk: Disk): DeviceStore & { repair(): Promise<void> } {
  const path = (name: string) => join(directory, name)
  const sync = () => disk.syncDirectory(directory)
  const inTurn = createTurns()

  const replace = async (name: string, content: string) => {
    await withDraft(directory, name, disk, async (draft) => {
      await disk.writeSynced(draft, content, 0o644)
      await disk.rename(draft, path(name))
    })
  }
  const save = async (name: string, stored: StoredEnrolment) => {
    await replace(name, `${JSON.stringify(stored, undefined, 2)}\n`)
    await sync()
  }
  const load = async (name: string) => {
    const text = await readText(path(name))
    return text === undefined ? undefined : parseStored(text, name, directory)
  }

  const writeDerived = async ({ enrolment, roots }: StoredEnrolment) => {
    const files = { 'certificate.pem': enrolment.certificate + enrolment.chain, 'roots.pem': roots }
    for (const [name, content] of Object.entries(files))
      if ((await readText(path(name))) !== content) await replace(name, content)
    await sync()
  }

  const durable = new Set<string>()
  const loadDurableKey = async (name: string): Promise<KeyObject | undefined> => {
    const key = await readKey(path(name))
    // Whoever made it may have died before its name was on disk.
    if (key && !durable.has(name)) await sync()
    if (key) durable.add(name)
    else durable.delete(name)
    return key
  }
  const addKey = async (name: string, key: KeyObject) => {
    durable.delete(name)
    await addKeyFile(directory, name, key, disk)
    const kept = await loadDurableKey(name)
    if (!kept) throw damaged(directory, `${name} has disappeared`)
    return kept
  }

  const loadCurrent = async (lastAttempt = false): Promise<Current> => {
    const stored = await load('enrolment.json')
    const key = await loadDurableKey('key.pem')
    if (!stored || (key && certifies(stored.enrolment.certificate, key))) return { key, stored }
    // Cut off between the two steps of a promotion: the key has its old name.
    const nextKey = await loadDurableKey('next-key.pem')
    if (nextKey && certifies(stored.enrolment.certificate, nextKey)) return { key: nextKey, stored, promoting: true }
    // Another process may have made the second step while this one looked.
    if (!lastAttempt) return loadCurrent(true)
    throw damaged(directory, key ? 'key.pem is not the certified key' : 'there is a certificate, but no key.pem')
  }

  const completePromotion = async () => {
    const { stored, promoting } = await loadCurrent()
    if (promoting) {
      await disk.rename(path('next-key.pem'), path('key.pem'))
      await sync()
    }
    if (stored) await writeDerived(stored)
  }

  return {
    loadKey: () => inTurn(async () => (await loadCurrent()).key),
    addKey: (key) => inTurn(() => addKey('key.pem', key)),
    loadEnrolment: () => inTurn(async () => (await loadCurrent()).stored),
    saveEnrolment: (enrolment) =>
      inTurn(async () => {
        await save('enrolment.json', enrolment)
        await writeDerived(enrolment)
      }),
    loadNextKey: () => inTurn(() => loadDurableKey('next-key.pem')),
    addNextKey: (key) => inTurn(() => addKey('next-key.pem', key)),
    loadNext: () => inTurn(() => load('next.json')),
    saveNext: (enrolment) => inTurn(() => save('next.json', enrolment)),
    promoteNext: (certificate) =>
      inTurn(async () => {
        if ((await load('next.json'))?.enrolment.certificate !== certificate) return
        await disk.rename(path('next.json'), path('enrolment.json'))
        await sync()
        await completePromotion()
      }),
    dropNext: () =>
      inTurn(async () => {
        await completePromotion()
        for (const name of ['next.json', 'next-key.pem']) {
          await removeIfPresent(path(name), disk)
          await sync()
        }
      }),
    repair: () => inTurn(completePromotion),
  }
}

/** Runs tasks one after another. */
function createTurns(): <Result>(task: () => Promise<Result>) => Promise<Result> {
  let last: Promise<unknown> = Promise.resolve()
  return (task) => {
    const result = last.then(task)
    last = result.catch(() => undefined)
    return result
  }
}

function parseStored(text: string, name: string, directory: string): StoredEnrolment {
  try {
    return StoredEnrolment.parse(JSON.parse(text))
  } catch (cause) {
    throw damaged(directory, `${name} cannot be read`, cause)
  }
}

function damaged(directory: string, why: string, cause?: unknown): MusterError {
  return new MusterError('internal', `the device store ${directory} is damaged: ${why}`, { cause })
}
