import { link, mkdir, open, rename, unlink } from 'node:fs/promises'
import { dirname, resolve } from 'node:path'

/** The steps that change a disk, one by one, so that a test can cut the power between any two. */
export interface Disk {
  /** A new file, written and fsynced. Its name is durable only after `syncDirectory`. */
  writeSynced(path: string, content: string, mode: number): Promise<void>
  link(from: string, to: string): Promise<void>
  rename(from: string, to: string): Promise<void>
  remove(path: string): Promise<void>
  syncDirectory(path: string): Promise<void>
}

export const realDisk: Disk = {
  async writeSynced(path, content, mode) {
    await using file = await open(path, 'wx', mode)
    await file.writeFile(content)
    await file.sync()
  },
  link,
  rename,
  remove: unlink,
  async syncDirectory(path) {
    await using directory = await open(path, 'r')
    await directory.sync()
  },
}

/** Makes a directory of mode 0700 and its missing parents, durably; whoever made it before may have died too soon for that. */
export async function makeDirectory(path: string, disk: Disk): Promise<void> {
  const directory = resolve(path)
  const first = await mkdir(directory, { recursive: true, mode: 0o700 })
  const top = dirname(first ?? directory)
  for (let at = directory; at !== top; ) {
    at = dirname(at)
    await disk.syncDirectory(at).catch((error: unknown) => {
      // A parent of somebody else that may be passed, but not read.
      if (!hasCode(error, 'EACCES')) throw error
    })
  }
}

export function hasCode(error: unknown, code: string): boolean {
  return error instanceof Error && 'code' in error && error.code === code
}
