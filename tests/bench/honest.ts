// A process of its own, started and told what to do by storms.ts: devices that publish at a steady rate, and devices that come and go at one.
import { createSecureContext, type SecureContext } from 'node:tls'
import { Connection, createPublishTemplate, type Identity, type Target } from '@muster/device-sim/load'

export interface HonestOrder {
  target: Target
  /** Each publishes once a second. */
  publishers: Identity[]
  /** One after the other connects. */
  guests: Identity[]
  guestEveryMs: number
  addresses: string[]
}

/** Since it was last asked; in milliseconds. */
export interface HonestReport {
  publish: number[]
  connect: number[]
  failures: number
}

let report: HonestReport = { publish: [], connect: [], failures: 0 }
const contexts = new Map<string, SecureContext>()
/** Under way: who comes twice at a time is taken for a clone. */
const visiting = new Set<Identity>()

function open({ target, addresses }: HonestOrder, { id, key, cert }: Identity, index: number): Promise<Connection> {
  const { host, port, servername, ca, groups } = target
  const secureContext =
    contexts.get(id) ?? createSecureContext({ key, cert, ca, ...(groups ? { ecdhCurve: groups } : {}) })
  contexts.set(id, secureContext)
  const localAddress = addresses[index % addresses.length] ?? '127.0.0.1'
  const settings = { version: 4, clean: true, keepAliveSeconds: 0, timeoutMs: 30_000 } as const
  return Connection.open(
    { host, port, servername, secureContext, clientId: id, localAddress, ...settings },
    { acknowledged: (_, __, ms) => void report.publish.push(ms), closed: () => void report.failures++ },
  )
}

async function start(order: HonestOrder): Promise<void> {
  const { publishers, guests, guestEveryMs } = order
  const connections: Connection[] = []
  for (const [index, identity] of publishers.entries()) connections.push(await open(order, identity, index))
  const payload = Buffer.alloc(100, 'x')
  const templates = publishers.map(({ id }) =>
    createPublishTemplate({ topic: `fleets/default/devices/${id}/telemetry/bench`, payload, qos: 1, version: 4 }),
  )
  const begun = performance.now()
  let done = 0
  let came = 0
  setInterval(() => {
    const passed = performance.now() - begun
    for (; done < (passed * connections.length) / 1_000; done++) {
      const template = templates[done % templates.length]
      if (template) connections[done % connections.length]?.publish(template, 1)
    }
    for (; came < passed / guestEveryMs; came++) visit(order, came % guests.length)
  }, 5)
}

function visit(order: HonestOrder, index: number): void {
  const guest = order.guests[index]
  if (!guest || visiting.has(guest)) return
  visiting.add(guest)
  const begun = performance.now()
  open(order, guest, index).then(
    (connection) => {
      report.connect.push(performance.now() - begun)
      connection.socket.once('close', () => visiting.delete(guest))
      connection.close()
    },
    () => {
      visiting.delete(guest)
      report.failures++
    },
  )
}

if (process.send) {
  process.on('message', async (order: HonestOrder | 'report') => {
    if (order !== 'report') await start(order)
    process.send?.(report)
    report = { publish: [], connect: [], failures: 0 }
  })
  process.on('disconnect', () => process.exit())
}
