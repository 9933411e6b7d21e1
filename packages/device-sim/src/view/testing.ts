import { Writable } from 'node:stream'
import { WriteStream } from 'node:tty'
import { countsOf } from '../report/testing.ts'
import type { LiveState } from '../run/live.ts'

export function liveState(changes: Partial<LiveState> = {}): LiveState {
  return {
    scenario: 'working-day',
    devices: 1_000,
    elapsedMs: 35_000,
    phase: { index: 1, count: 4, name: 'steady', elapsedMs: 12_000, progress: 0.4 },
    counts: countsOf({
      started: 1_000,
      enrolled: 990,
      connected: 985,
      connections: 1_003,
      published: 5_210,
      acknowledged: 5_200,
    }),
    rates: { enrolled: 0, connections: 0.5, published: 98, acknowledged: 98, received: 2 },
    latencies: { publish: { count: 980, p50: 12, p90: 20, p99: 41.6, max: 300 } },
    reasons: [
      { reason: 'enrol:claim-expired', count: 12, expected: true },
      { reason: 'connect:ECONNRESET', count: 3, expected: false },
    ],
    invariants: [
      { name: 'stored-once', statement: 'Stored once.', held: true, checked: 5_200, violations: 0, examples: [] },
      { name: 'one-certificate', statement: 'One.', held: true, checked: 990, violations: 0, examples: [] },
    ],
    workers: [{ name: 'worker 1', cpuShare: 0.42, rssBytes: 180 * 1_024 ** 2 }],
    ...changes,
  }
}

/** As much of a terminal as is needed to see what somebody in front of it would see. */
export class Terminal extends Writable {
  readonly isTTY = true
  columns: number
  rows: number
  getColorDepth = WriteStream.prototype.getColorDepth
  written = ''
  #lines: string[][] = [[]]
  #row = 0
  #column = 0
  /** First row that is on the screen: what is above it has scrolled away, and no cursor gets there. */
  #top = 0

  constructor(columns: number, rows: number) {
    super()
    this.columns = columns
    this.rows = rows
  }

  /** All there is, what has scrolled away as well. */
  get text(): string[] {
    const lines = this.#lines.map((line) => line.join('').trimEnd())
    return lines.slice(0, lines.findLastIndex((line) => line !== '') + 1)
  }

  resize(columns: number, rows: number): void {
    const broken = this.#lines.flatMap((line) => {
      const pieces = Array.from({ length: Math.max(1, Math.ceil(line.length / columns)) }, (_, index) =>
        line.slice(index * columns, (index + 1) * columns),
      )
      return pieces
    })
    const below = this.#lines.length - 1 - this.#row
    this.#lines = broken
    this.#row = broken.length - 1 - below
    ;[this.columns, this.rows] = [columns, rows]
    this.#scroll()
    this.emit('resize')
  }

  override _write(chunk: Buffer, _: BufferEncoding, done: () => void): void {
    const text = chunk.toString()
    this.written += text
    // biome-ignore lint/suspicious/noControlCharactersInRegex: what terminals obey
    for (const [, parameters, command, character] of text.matchAll(/\x1b\[([?\d;]*)([A-Za-z])|(\p{Any})/gu)) {
      if (character !== undefined) this.#put(character)
      else if (command === 'A') this.#row = Math.max(this.#top, this.#row - Number(parameters || 1))
      else if (command === 'K') this.#line().splice(this.#column)
      else if (command === 'J') {
        this.#line().splice(this.#column)
        this.#lines.splice(this.#row + 1)
      } else if (!['m', 'h', 'l'].includes(command ?? '')) throw new Error(`a command that is not known: ${command}`)
    }
    done()
  }

  #put(character: string): void {
    if (character === '\r') this.#column = 0
    else if (character === '\n') {
      this.#row++
      this.#column = 0
      this.#line()
      this.#scroll()
    } else if (/\p{Cc}/u.test(character)) throw new Error(`a control character: ${JSON.stringify(character)}`)
    else {
      if (this.#column >= this.columns) this.#put('\n')
      const line = this.#line()
      while (line.length < this.#column) line.push(' ')
      line[this.#column++] = character
    }
  }

  #line(): string[] {
    const line = this.#lines[this.#row] ?? []
    this.#lines[this.#row] = line
    return line
  }

  #scroll(): void {
    this.#top = Math.max(this.#top, this.#lines.length - this.rows)
  }
}
