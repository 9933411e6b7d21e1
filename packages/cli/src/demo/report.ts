import { get } from 'node:http'
import { text } from 'node:stream/consumers'
import type { FleetEvent } from '@muster/device-sim'
import { formatCount } from '../output/format.ts'
import type { UpContext } from '../up/context.ts'
import { sumMetric } from './metrics.ts'

export interface DemoReport extends Disposable {
  add(event: FleetEvent): void
  /** The devices that have published, once every device has or was refused and the rate is known. */
  settled: Promise<string[]>
  /** When the device's connection was closed, in epoch milliseconds. */
  closedAt(device: string): Promise<number>
}

const everyMs = 1_000
const rateSamples = 4

export function createDemoReport({ cli, screen }: UpContext, devices: number): DemoReport {
  const startedAt = Date.now()
  const enrolled = new Set<string>()
  const connected = new Set<string>()
  const published = new Set<string>()
  const refused = new Set<string>()
  const waitingForClose = new Map<string, (at: number) => void>()
  const totals: { at: number; stored: number }[] = []
  const { promise: settled, resolve: settle } = Promise.withResolvers<string[]>()
  let told = false
  let isSettled = false

  function tellEnrolled(at: number): void {
    if (told || enrolled.size < devices) return
    told = true
    screen.line(`${enrolled.size} of ${devices} devices have enrolled, ${((at - startedAt) / 1_000).toFixed(1)} s`)
  }

  const readings: { [Type in FleetEvent['type']]?: (event: Extract<FleetEvent, { type: Type }>) => void } = {
    enrolled({ device, at }) {
      enrolled.add(device)
      tellEnrolled(at)
    },
    connected: ({ device }) => connected.add(device),
    published: ({ device }) => published.add(device),
    closed({ device, at }) {
      connected.delete(device)
      waitingForClose.get(device)?.(at)
    },
    refused({ device, code }) {
      refused.add(device)
      // The one that we throw out is told of by whoever does it.
      if (!waitingForClose.has(device)) screen.line(`${device} was refused: ${code}`)
    },
  }

  async function sample(): Promise<void> {
    const metrics = await readMetrics(cli.config.ports.brokerMetrics).catch(() => undefined)
    if (metrics === undefined) return
    totals.push({ at: performance.now(), stored: sumMetric(metrics, 'muster_broker_telemetry_stored_total') })
    if (totals.length > rateSamples) totals.shift()
    if (totals.length < 2) return
    const rate = storedPerSecond(totals)
    const counts = `${enrolled.size}/${devices} enrolled, ${connected.size} connected`
    const stored = `${rate.toFixed(1)} messages a second stored, ${formatCount(totals.at(-1)?.stored ?? 0)} in all`
    screen.status(`demo: ${counts}, ${stored}`)
    const isQuiet = published.size > 0 && published.size + refused.size >= devices
    if (!isQuiet || isSettled || totals.length < rateSamples) return
    isSettled = true
    screen.line(`${rate.toFixed(1)} messages a second are stored`)
    settle([...published].sort())
  }

  const timer = setInterval(() => void sample(), everyMs)
  return {
    add: (event) => readings[event.type]?.(event as never),
    settled,
    closedAt: (device) => new Promise((resolve) => waitingForClose.set(device, resolve)),
    [Symbol.dispose]: () => clearInterval(timer),
  }
}

/** A broker that was started again counts from zero: then the rate is not known for a moment. */
export function storedPerSecond(totals: readonly { at: number; stored: number }[]): number {
  const [first, last] = [totals[0], totals.at(-1)]
  if (!first || !last || last.at <= first.at) return 0
  return Math.max(0, ((last.stored - first.stored) * 1_000) / (last.at - first.at))
}

function readMetrics(port: number): Promise<string> {
  return new Promise((resolve, reject) => {
    const outgoing = get({ host: '127.0.0.1', port, path: '/metrics', agent: false, timeout: 2_000 }, (answer) => {
      text(answer).then(resolve, reject)
    })
    outgoing.on('timeout', () => outgoing.destroy())
    outgoing.on('error', reject)
  })
}
