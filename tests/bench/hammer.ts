// A process of its own, started and told what to do by storms.ts: devices that come back as fast as they can.
import { connect as connectTcp } from 'node:net'
import { setPriority } from 'node:os'
import { connect as connectTls, createSecureContext, type SecureContext, type TLSSocket } from 'node:tls'
import type { Identity, Target } from '@muster/device-sim/load'
import { generate } from 'mqtt-packet'

/** `patient`: waits for an answer or the end; `impatient`: leaves when it has sent its CONNECT; `tcp`: leaves when it is connected. */
export type Manner = 'patient' | 'impatient' | 'tcp'

export interface HammerOrder {
  target: Target
  identities: Identity[]
  manner: Manner
  resume: boolean
  /** Each device has its own, as long as there are enough. */
  addresses: string[]
  /** In all; until it is told to stop if absent. */
  attempts?: number | undefined
}

export interface HammerReport {
  attempts: number
  handshakes: number
  resumed: number
}

/** As impatient as it gets without being killed by the machine: a device that hears nothing gives up. */
const patienceMs = 10_000
const contexts = new Map<string, SecureContext>()
const sessions = new Map<string, Buffer>()
let report: HammerReport = { attempts: 0, handshakes: 0, resumed: 0 }
/** What is carried out at the moment. */
let current: HammerOrder | undefined

function openTls({ target, manner, resume }: HammerOrder, { id, key, cert }: Identity, localAddress: string) {
  const { host, port, servername, ca, groups } = target
  const context = contexts.get(id) ?? createSecureContext({ key, cert, ca, ...(groups ? { ecdhCurve: groups } : {}) })
  contexts.set(id, context)
  const session = resume ? sessions.get(id) : undefined
  const socket: TLSSocket = connectTls({
    ...{ host, port, servername, secureContext: context, localAddress },
    ...(session ? { session } : {}),
  })
  if (resume) socket.on('session', (ticket) => sessions.set(id, ticket))
  const hello = {
    cmd: 'connect',
    protocolId: 'MQTT',
    protocolVersion: 5,
    clean: true,
    keepalive: 30,
    clientId: id,
  } as const
  socket.on('secureConnect', () => {
    report.handshakes++
    if (socket.isSessionReused()) report.resumed++
    const leave = manner === 'impatient' ? () => socket.destroy() : undefined
    socket.write(generate(hello, { protocolVersion: 5 }), leave)
  })
  socket.on('data', () => socket.destroy())
  return socket
}

function openTcp({ target: { host, port } }: HammerOrder, localAddress: string) {
  const socket = connectTcp({ host, port, localAddress })
  return socket.once('connect', () => socket.destroy())
}

async function hammer(order: HammerOrder, index: number): Promise<void> {
  const identity = order.identities[index]
  const { manner, addresses, attempts = Number.POSITIVE_INFINITY } = order
  for (let time = index; identity && current === order && report.attempts < attempts; time += order.identities.length) {
    report.attempts++
    const address = addresses[(order.attempts === undefined ? index : time) % addresses.length] ?? '127.0.0.1'
    const socket = manner === 'tcp' ? openTcp(order, address) : openTls(order, identity, address)
    socket.on('error', () => {})
    socket.setTimeout(patienceMs, () => socket.destroy())
    await new Promise((resolve) => socket.once('close', resolve))
  }
}

if (process.send) {
  // Whoever else is at work on the machine comes first: what is measured is the broker, not the scheduler.
  setPriority(Number(process.argv[2] ?? 10))
  process.on('message', async (order: HammerOrder | 'stop') => {
    const tell = () => void process.send?.(report)
    if (order === 'stop') {
      current = undefined
      tell()
      return
    }
    report = { attempts: 0, handshakes: 0, resumed: 0 }
    current = order
    await Promise.all(order.identities.map((_, index) => hammer(order, index)))
    if (order.attempts !== undefined) tell()
  })
  process.on('disconnect', () => process.exit())
}
