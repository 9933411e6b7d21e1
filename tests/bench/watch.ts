import { createSecureContext } from 'node:tls'
import { Connection, createPublishTemplate, type Identity, readMessage } from '@muster/device-sim/load'
import type { PlatformNode } from '../harness/platform.ts'

/** Nanoseconds of the machine's clock, as load workers tell them. */
export const monotonic = () => process.hrtime.bigint()

export interface Watch {
  /** When the last message of each device came. */
  readonly lastFrom: ReadonlyMap<string, bigint>
  readonly payloads: ReadonlySet<string>
  command(device: string): void
  close(): void
}

/** A backend on one node: hears all telemetry there, and sends commands. */
export async function openWatch(node: PlatformNode, ca: string, { id, key, cert }: Identity): Promise<Watch> {
  const lastFrom = new Map<string, bigint>()
  const payloads = new Set<string>()
  const connection = await Connection.open(
    { ...addressOf(node), ...settings, secureContext: createSecureContext({ key, cert, ca }), clientId: id },
    {
      message(_, flags, bytes, start, end) {
        const { topic, payload } = readMessage(flags, bytes, start, end, settings.version)
        lastFrom.set(topic.split('/')[3] ?? '', monotonic())
        payloads.add(payload.toString())
      },
    },
  )
  if ((await connection.subscribe(['fleets/default/devices/+/telemetry/#'], 0)) !== 0) throw new Error('cannot watch')
  return {
    ...{ lastFrom, payloads },
    command(device) {
      const topic = `fleets/default/devices/${device}/commands/bench`
      connection.publish(
        createPublishTemplate({ topic, payload: Buffer.from('go'), qos: 1, version: settings.version }),
        1,
      )
    },
    close: () => connection.close(),
  }
}

/** Comes back as nobody should: publishes without waiting to be let in. Answers whether it was let in. */
export async function comeBack(
  node: PlatformNode,
  ca: string,
  { id, key, cert }: Identity,
  payload: string,
): Promise<boolean> {
  const topic = `fleets/default/devices/${id}/telemetry/after`
  const pipelined = createPublishTemplate({ topic, payload: Buffer.from(payload), qos: 1, version: 4 }).encode([1])
  const secureContext = createSecureContext({ key, cert, ca })
  const options = { ...addressOf(node), ...settings, secureContext, clientId: id, pipelined }
  return Connection.open(options).then(
    (connection) => {
      connection.close()
      return true
    },
    () => false,
  )
}

const settings = { version: 4, clean: true, keepAliveSeconds: 60, timeoutMs: 30_000 } as const
const addressOf = ({ port }: PlatformNode) => ({ host: '127.0.0.1', port, servername: 'localhost' })
