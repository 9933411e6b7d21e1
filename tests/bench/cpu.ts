import { spawnSync } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import { cpus, release, totalmem } from 'node:os'

/** Clock ticks of the kernel's accounts are a hundredth of a second on Linux, whatever the kernel's own timer. */
const tickMs = 10

/** User and system time that a process has used, in milliseconds. */
export function readCpuMs(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
  // The second field is the command's name in parentheses, whatever is in it.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  return (Number(fields[11]) + Number(fields[12])) * tickMs
}

/** The same of children that have ended: without it, a backend that ends during a measurement takes its work with it. */
function readEndedChildrenMs(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  return (Number(fields[13]) + Number(fields[14])) * tickMs
}

/** Of several; who has ended meanwhile does not count. */
function readTogether(pids: readonly number[]): number {
  return pids.reduce((sum, pid) => {
    try {
      return sum + readCpuMs(pid)
    } catch {
      return sum
    }
  }, 0)
}

export function childrenOf(parent: number): number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .filter((pid) => {
      try {
        const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
        return Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1]) === parent
      } catch {
        return false
      }
    })
}

/** Who works on the machine during a measurement. */
export interface Parties {
  broker: number[]
  /** The postmaster; its children are counted with it. */
  database?: number | undefined
  load: number[]
}

/** Shares of the whole machine, 0 to 1. */
export interface Split {
  broker: number
  database: number
  load: number
  other: number
  idle: number
}

export interface Measured<T> {
  result: T
  brokerMs: number
  databaseMs: number
  elapsedMs: number
  split: Split
}

export async function measureCpu<T>(parties: Parties, work: () => Promise<T>): Promise<Measured<T>> {
  const { broker, database, load } = parties
  const readDatabase = () =>
    database === undefined ? 0 : readTogether([database, ...childrenOf(database)]) + readEndedChildrenMs(database)
  const look = () => ({
    broker: readTogether(broker),
    database: readDatabase(),
    load: readTogether(load) + (process.cpuUsage().user + process.cpuUsage().system) / 1_000,
    machine: readMachine(),
    at: performance.now(),
  })
  const before = look()
  const result = await work()
  const after = look()
  const total = after.machine.total - before.machine.total || 1
  const share = (who: 'broker' | 'database' | 'load') => (after[who] - before[who]) / total
  const idle = (after.machine.idle - before.machine.idle) / total
  const split = { broker: share('broker'), database: share('database'), load: share('load'), idle, other: 0 }
  split.other = Math.max(0, 1 - split.broker - split.database - split.load - idle)
  const brokerMs = after.broker - before.broker
  const databaseMs = after.database - before.database
  return { result, brokerMs, databaseMs, elapsedMs: after.at - before.at, split }
}

function readMachine(): { total: number; idle: number } {
  const [line = ''] = readFileSync('/proc/stat', 'utf8').split('\n')
  const [user = 0, nice = 0, system = 0, idle = 0, iowait = 0, irq = 0, softirq = 0, steal = 0] = line
    .split(/\s+/)
    .slice(1)
    .map(Number)
  return {
    total: (user + nice + system + idle + iowait + irq + softirq + steal) * tickMs,
    idle: (idle + iowait) * tickMs,
  }
}

/** KiB. */
export interface Memory {
  rss: number
  pss: number
}

export function readMemory(pid: number): Memory {
  const rollup = readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8')
  const field = (name: string) => Number(new RegExp(`^${name}:\\s+(\\d+)`, 'm').exec(rollup)?.[1] ?? 0)
  return { rss: field('Rss'), pss: field('Pss') }
}

export function formatSplit({ broker, database, load, other, idle }: Split): string {
  const percent = (share: number) => `${Math.round(share * 100)} %`
  return `broker ${percent(broker)}, database ${percent(database)}, load ${percent(load)}, other ${percent(other)}, idle ${percent(idle)}`
}

export function describeMachine(): string {
  const [cpu] = cpus()
  const openssl = process.versions.openssl
  // It says so with an exit code of its own.
  const env = { ...process.env, PATH: `${process.env.PATH}:/usr/sbin` }
  const [mosquitto] = (spawnSync('mosquitto', ['-h'], { encoding: 'utf8', env }).stdout ?? '').split('\n')
  const memory = `${Math.round(totalmem() / 2 ** 30)} GiB`
  return `${cpus().length} x ${cpu?.model.trim()}, ${memory}, Linux ${release()}, Node ${process.version} (OpenSSL ${openssl}), ${mosquitto}`
}
