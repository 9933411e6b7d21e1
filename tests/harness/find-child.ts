import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { waitFor } from './wait.ts'

/** The process whose parent and command line are these. */
export async function findChild(parent: number, pattern: RegExp): Promise<number> {
  return waitFor(`a child of ${parent}`, async () => {
    for (const pid of (await readdir('/proc')).filter((name) => /^\d+$/.test(name))) {
      const [stat, command] = await Promise.all(
        ['stat', 'cmdline'].map((name) => readFile(join('/proc', pid, name), 'utf8').catch(() => '')),
      )
      if (pattern.test(command ?? '') && new RegExp(`\\) \\w ${parent} `).test(stat ?? '')) return Number(pid)
    }
    return undefined
  })
}
