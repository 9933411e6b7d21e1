import type { Aedes } from 'aedes'
import type { Limits } from '../../limits.ts'
import type { Message } from './message.ts'

/** What a node tells of itself, by the last level of the topic. */
export type Figures = () => Promise<Record<string, string | number>>

export interface Reports extends Disposable {
  /** The latest report on every topic, for those who subscribe now. */
  latest(): readonly Message[]
}

/** Publishes the figures of this node under `$SYS/broker/<node>/`, as if retained. */
export function openReports(
  broker: Aedes & { counter: number },
  figures: Figures,
  { reportMs }: Pick<Limits, 'reportMs'>,
  onError: (error: unknown) => void,
): Reports {
  const { mq } = broker as unknown as { mq: { emit(message: Message): void } }
  let latest: Message[] = []

  async function report() {
    const now = await figures()
    latest = Object.entries(now).map(([name, value]) => ({
      cmd: 'publish',
      topic: `$SYS/broker/${broker.id}/${name}`,
      payload: Buffer.from(String(value)),
      ...{ qos: 0, retain: true, brokerId: broker.id, brokerCounter: ++broker.counter },
    }))
    if (!broker.closed) for (const message of latest) mq.emit(message)
  }

  const run = () => void report().catch(onError)
  const timer = setInterval(run, reportMs)
  timer.unref()
  run()
  return { latest: () => latest, [Symbol.dispose]: () => clearInterval(timer) }
}
