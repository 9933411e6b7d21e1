import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { type Disk, realDisk } from '../store/disk.ts'

type Names = Map<string, string>
type Entry =
  | { kind: 'write'; name: string; content: string }
  | { kind: 'link'; name: string; content: string }
  | { kind: 'rename'; from: string; name: string; content: string }
  | { kind: 'remove'; name: string }
  | { kind: 'sync' }
  | { kind: 'mark'; value: string }

/**
 * A real disk that keeps a log of every step, and can tell what a directory may hold after the power was cut at any of them.
 * The model is harsher than any file system: of the names changed since the last fsync of the directory, any subset may have survived.
 */
export function recordDisk() {
  const log: Entry[] = []
  const disk: Disk = {
    async writeSynced(path, content, mode) {
      await realDisk.writeSynced(path, content, mode)
      log.push({ kind: 'write', name: basename(path), content })
    },
    async link(from, to) {
      await realDisk.link(from, to)
      log.push({ kind: 'link', name: basename(to), content: await readFile(to, 'utf8') })
    },
    async rename(from, to) {
      await realDisk.rename(from, to)
      log.push({ kind: 'rename', from: basename(from), name: basename(to), content: await readFile(to, 'utf8') })
    },
    async remove(path) {
      await realDisk.remove(path)
      log.push({ kind: 'remove', name: basename(path) })
    },
    async syncDirectory(path) {
      await realDisk.syncDirectory(path)
      log.push({ kind: 'sync' })
    },
  }
  return { disk, mark: (value: string) => log.push({ kind: 'mark', value }), outcomes: () => outcomesOf(log) }
}

export interface Outcome {
  names: Names
  /** What had been marked before the power went. */
  marks: string[]
}

function outcomesOf(log: Entry[]): Outcome[] {
  const outcomes = new Map<string, Outcome>()
  const marks: string[] = []
  let durable: Names = new Map()
  let loose: Entry[] = []
  const add = (names: Names) => {
    const outcome = { names, marks: [...marks] }
    outcomes.set(JSON.stringify([[...names].sort(), marks]), outcome)
  }
  const addAll = (torn?: { name: string; content: string }) => {
    for (const kept of subsets(loose)) {
      const names = kept.reduce(apply, durable)
      add(torn ? new Map(names).set(torn.name, torn.content) : names)
    }
  }
  addAll()
  for (const entry of log) {
    if (entry.kind === 'write')
      for (const content of ['', entry.content.slice(0, entry.content.length / 2)])
        addAll({ name: entry.name, content })
    if (entry.kind === 'mark') marks.push(entry.value)
    else if (entry.kind === 'sync') {
      durable = loose.reduce(apply, durable)
      loose = []
    } else loose.push(entry)
    addAll()
  }
  return [...outcomes.values()]
}

function apply(before: Names, entry: Entry): Names {
  const names = new Map(before)
  if (entry.kind === 'rename') names.delete(entry.from)
  if (entry.kind === 'remove') names.delete(entry.name)
  else if ('content' in entry) names.set(entry.name, entry.content)
  return names
}

function subsets<Item>(items: Item[]): Item[][] {
  return items.reduce<Item[][]>((sets, item) => sets.concat(sets.map((set) => [...set, item])), [[]])
}

/** Puts an outcome on the real disk. */
export async function restoreOutcome({ names }: Outcome, directory: string): Promise<void> {
  await mkdir(directory, { mode: 0o700 })
  for (const [name, content] of names)
    await writeFile(join(directory, name), content, { mode: name.includes('key') ? 0o600 : 0o644 })
}
