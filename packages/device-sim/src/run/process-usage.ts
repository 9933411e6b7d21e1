import { readdir, readFile } from 'node:fs/promises'

export interface Usage {
  pid: number
  /** Since it began. */
  cpuMs: number
  rssBytes: number
}

/** A process of this machine, with all that it has started. Undefined where it is gone, or where there is no /proc. */
export async function readProcessTree(pid: number): Promise<Usage[] | undefined> {
  const all = await listProcesses()
  const tree: Found[] = []
  const waiting = [pid]
  for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
    const found = all.get(next)
    if (!found) continue
    tree.push(found)
    for (const one of all.values()) if (one.parent === next) waiting.push(one.pid)
  }
  if (tree.length === 0) return undefined
  return Promise.all(
    tree.map(async ({ pid, cpuMs, rssBytes }) => ({ pid, cpuMs, rssBytes: await readOwnBytes(pid, rssBytes) })),
  )
}

type Found = Usage & { parent: number }

async function listProcesses(): Promise<Map<number, Found>> {
  const names = await readdir('/proc').catch(() => [])
  const found = await Promise.all(names.filter((name) => /^\d+$/.test(name)).map(readStat))
  return new Map(found.flatMap((one) => (one ? [[one.pid, one]] : [])))
}

/** Of Linux, whatever the processor is. */
const ticksPerSecond = 100
const pageBytes = 4_096

/** proc_pid_stat(5): the name, in parentheses, may contain anything. */
async function readStat(pid: string): Promise<Found | undefined> {
  const text = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => '')
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ')
  const [parent, user, system, pages] = [1, 11, 12, 21].map((at) => Number(fields[at]))
  if (parent === undefined || user === undefined || system === undefined || pages === undefined) return undefined
  return {
    pid: Number(pid),
    parent,
    cpuMs: ((user + system) * 1_000) / ticksPerSecond,
    rssBytes: pages * pageBytes,
  }
}

/** What several share (PostgreSQL's buffers) is divided among them, where we may know. */
async function readOwnBytes(pid: number, rssBytes: number): Promise<number> {
  const rollup = await readFile(`/proc/${pid}/smaps_rollup`, 'utf8').catch(() => '')
  const kib = /^Pss:\s+(\d+) kB$/m.exec(rollup)?.[1]
  return kib === undefined ? rssBytes : Number(kib) * 1_024
}
