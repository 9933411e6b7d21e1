import { readFileSync } from 'node:fs'
import { totalmem } from 'node:os'
import { CliError, exitCodes } from '../exit.ts'
import { formatCount } from '../output/format.ts'

/** Less than a device has ever been measured to take in its worker: what is refused here could not work. */
const leastBytes = 150 * 1_024
/** Of a worker that has no devices. */
const ownFiles = 64

interface Players {
  devices: number
  workers: number
}

/** What this machine cannot hold is not begun: a hundred thousand claims later it would fail all the same. @throws CliError */
export function requireRoom({ devices, workers }: Players): void {
  const files = readFileLimit()
  // A container may have less than its machine.
  const memory = Math.min(totalmem(), process.constrainedMemory() || Number.POSITIVE_INFINITY)
  const limits = [
    { most: Math.floor(memory / leastBytes), of: `memory (${Math.round(memory / 1_024 ** 3)} GiB)` },
    { most: readPorts(), of: 'local ports for connections to one broker (net.ipv4.ip_local_port_range)' },
    { most: files && (files - ownFiles) * workers, of: `open files of ${workers} workers (ulimit -n)` },
  ]
  const short = limits.filter(({ most }) => most !== undefined && most < devices)
  if (short.length === 0) return
  const reasons = short.map(({ most, of }) => `${formatCount(most ?? 0)} by its ${of}`)
  throw new CliError(`${formatCount(devices)} devices are too many for this machine: ${reasons.join(', ')}`, {
    exitCode: exitCodes.usage,
    hint: '--devices plays fewer of them, --remote has other machines play',
  })
}

/** Undefined where the system does not tell. */
function readPorts(): number | undefined {
  const [, first, last] = /^(\d+)\s+(\d+)/.exec(read('/proc/sys/net/ipv4/ip_local_port_range')) ?? []
  return first && last ? Number(last) - Number(first) + 1 : undefined
}

/** Node takes all that it may have. */
function readFileLimit(): number | undefined {
  const [, hard] = /^Max open files\s+\d+\s+(\d+)/m.exec(read('/proc/self/limits')) ?? []
  return hard === undefined ? undefined : Number(hard)
}

function read(file: string): string {
  try {
    return readFileSync(file, 'utf8')
  } catch {
    return ''
  }
}
