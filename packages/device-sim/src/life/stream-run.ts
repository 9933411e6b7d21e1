import { createRandom } from '../random.ts'
import { createReadings, encodeReading } from '../telemetry/readings.ts'
import type { Due } from '../telemetry/scheduler.ts'
import type { Life } from './life.ts'
import type { Sender } from './message.ts'

const mostUnacknowledged = 20
/** Acknowledgements that follow each other are told as one, at the latest after so long. */
const rangeMs = 30_000

/** One stream of readings of one device: measures when it is due, and sends it where there is a connection. */
export class StreamRun implements Due, Sender {
  dueAt = 0
  place = -1
  readonly topic: string
  readonly #life: Life
  readonly #index: number
  readonly #random: () => number
  readonly #timing: () => number
  readonly #read: () => Record<string, number | string>
  #n = 0
  #range: { from: number; to: number; begunAt: number } | undefined

  constructor(life: Life, index: number, base: string) {
    const { plan, world } = life
    const { topic, payload } = this.#planOf(life, index)
    this.#life = life
    this.#index = index
    this.topic = base + topic
    this.#random = createRandom(world.seed, plan.index, 'readings', index)
    this.#timing = createRandom(world.seed, plan.index, 'timing', index)
    this.#read = createReadings(payload, this.#random)
  }

  /** Goes on where it was. */
  start(): void {
    const { firstAfterMs, every } = this.#planOf(this.#life, this.#index)
    this.dueAt = performance.now() + (this.#n === 0 ? firstAfterMs : every * this.#timing())
    this.#life.world.scheduler.add(this)
  }

  stop(): void {
    this.#life.world.scheduler.cancel(this)
  }

  run(): void {
    const { every, jitter } = this.#planOf(this.#life, this.#index)
    this.#measure()
    // Who was held up does not catch up with a burst.
    this.dueAt = Math.max(this.dueAt, performance.now() - every) + every * (1 - jitter + 2 * jitter * this.#timing())
    this.#life.world.scheduler.add(this)
  }

  acknowledged(n: number, _topic: string, ms: number): void {
    const { account } = this.#life.world
    account.counts.acknowledged += 1
    account.record('publish', ms)
    const range = this.#range
    const now = performance.now()
    if (range && n === range.to + 1 && now - range.begunAt < rangeMs) {
      range.to = n
      return
    }
    this.tellRange()
    this.#range = { from: n, to: n, begunAt: now }
  }

  /** What was acknowledged and is not told yet. */
  tellRange(): void {
    const range = this.#range
    if (!range) return
    this.#range = undefined
    this.#life.see({ saw: 'acknowledged', topic: this.topic, from: range.from, to: range.to })
  }

  /** How many there were: nobody else has sent any. */
  tellLast(): void {
    if (this.#n > 0) this.#life.see({ saw: 'sent', topic: this.topic, last: this.#n })
  }

  #measure(): void {
    const life = this.#life
    const { payload, level } = this.#planOf(life, this.#index)
    this.#n += 1
    const { run } = life.world
    const at = new Date(life.now()).toISOString()
    const reading = encodeReading({ n: this.#n, run, at, ...this.#read() }, payload, this.#random)
    const { link } = life
    if (!link || link.unacknowledged >= mostUnacknowledged) {
      life.world.account.counts.skipped += 1
      return
    }
    life.publish({ topic: this.topic, payload: reading, qos: level, n: this.#n, sender: this, at: performance.now() })
  }

  #planOf({ plan }: Life, index: number) {
    const stream = plan.streams[index]
    if (!stream) throw new RangeError(`${plan.device} has no stream ${index}`)
    return stream
  }
}
