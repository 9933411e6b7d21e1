import { randomBytes } from 'node:crypto'
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { type Disk, hasCode } from './disk.ts'

const pattern = /^\.(?:key|next-key|certificate|roots|enrolment|next)\.(?:pem|json)\.(\d+)\.[0-9a-f]{12}\.tmp$/
const inFlight = new Set<string>()

/** Hands out a fresh name beside `name`, and removes what is left under it afterwards. */
export async function withDraft(
  directory: string,
  name: string,
  disk: Disk,
  use: (draft: string) => Promise<void>,
): Promise<void> {
  const draft = `.${name}.${process.pid}.${randomBytes(6).toString('hex')}.tmp`
  const path = join(directory, draft)
  inFlight.add(path)
  try {
    await use(path)
  } catch (error) {
    await removeIfPresent(path, disk)
    throw error
  } finally {
    inFlight.delete(path)
  }
}

/** Removes what processes that died in mid-write have left; drafts of living ones stay. */
export async function removeAbandonedDrafts(directory: string, disk: Disk): Promise<void> {
  for (const name of await readdir(directory)) {
    const pid = Number(pattern.exec(name)?.[1])
    const path = join(directory, name)
    if (pid && !inFlight.has(path) && (pid === process.pid || !isAlive(pid))) await removeIfPresent(path, disk)
  }
}

/** Removes a file, if it is there. */
export async function removeIfPresent(path: string, disk: Disk): Promise<void> {
  try {
    await disk.remove(path)
  } catch (error) {
    if (!hasCode(error, 'ENOENT')) throw error
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return hasCode(error, 'EPERM')
  }
}
