import { statfs } from 'node:fs/promises'
import { repeat } from '@muster/db'

/** Whether the disk has room for more than what must be written anyway. */
export interface Room extends AsyncDisposable {
  isFull(): boolean
  /** So many bytes were written: it is looked again before they can have filled the reserve. */
  wrote(bytes: number): void
}

/** Acknowledgements free room, and need some to be written down: the last of it is kept for them. */
export async function openRoom(options: {
  path: string
  reserveBytes: number
  everyMs?: number
  onError(error: unknown): void
}): Promise<Room> {
  const { path, reserveBytes, everyMs = 1_000, onError } = options
  let freeBytes = 0
  let written = 0

  async function look() {
    written = 0
    const { bavail, bsize } = await statfs(path)
    freeBytes = bavail * bsize
  }

  await look()
  const timer = repeat(look, { everyMs, onError })
  return {
    isFull: () => freeBytes - written < reserveBytes,
    wrote(bytes) {
      written += bytes
      if (written > reserveBytes / 8) timer.hurry()
    },
    [Symbol.asyncDispose]: () => timer[Symbol.asyncDispose](),
  }
}
