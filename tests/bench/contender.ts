import type { Identity, Load } from '@muster/device-sim/load'
import { openLoad } from '@muster/device-sim/load'
import type { Parties } from './cpu.ts'

/** A broker to be measured, and those who use it. */
export interface Contender {
  name: 'Muster' | 'Mosquitto' | 'bare TLS'
  port: number
  pid: number
  ca: string
  /** The postmaster of the broker that has a database. */
  database?: number
  /** Rows of telemetry, where there is any. */
  countStored?(): Promise<number>
  devices: Identity[]
  services: Identity[]
}

export const topics = {
  telemetry: 'fleets/default/devices/{id}/telemetry/bench',
  /** Of the device with the same number. */
  command: 'fleets/default/devices/device-{n}/commands/bench',
  commandTo: 'fleets/default/devices/{id}/commands/bench',
  broadcast: 'fleets/default/groups/default/broadcast/bench',
}

export function openLoadOn({ port, ca }: Contender, identities: Identity[], workers = 1): Promise<Load> {
  // Mosquitto's OpenSSL may be too old for the hybrid, which would then be ours alone to pay for.
  const target = { host: '127.0.0.1', port, servername: 'localhost', ca, groups: 'X25519' }
  return openLoad({ target, identities, workers, addresses: 8 })
}

export function partiesOf({ pid, database }: Contender, ...loads: Load[]): Parties {
  return { broker: [pid], database, load: loads.flatMap(({ pids }) => pids) }
}

/** @throws where not all of them are in */
export async function connectAll(load: Load, count: number, concurrency = 32): Promise<void> {
  const { connected, failures } = await load.connect({ from: 0, to: count, concurrency, keepAliveSeconds: 600 })
  if (connected !== count)
    throw new Error(`${count - connected} of ${count} were not let in: ${JSON.stringify(failures)}`)
}
