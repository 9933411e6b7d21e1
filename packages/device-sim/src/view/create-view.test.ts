import { PassThrough } from 'node:stream'
import { stripVTControlCharacters } from 'node:util'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { buildReport } from '../report/testing.ts'
import type { LiveState } from '../run/live.ts'
import { createView } from './create-view.ts'
import { liveState, Terminal } from './testing.ts'
import { columnsOf, cutTo } from './width.ts'

beforeEach(() => {
  // All that Node asks before it paints: a CI machine says that it cannot.
  for (const name of ['NO_COLOR', 'NODE_DISABLE_COLORS', 'FORCE_COLOR', 'CI', 'TMUX']) vi.stubEnv(name, undefined)
  vi.stubEnv('TERM', 'xterm-256color')
})
afterEach(() => void vi.unstubAllEnvs())

const violated = (what: string, device = 'sim-sensor-00004'): LiveState['invariants'] => [
  {
    name: 'stored-once',
    statement: 'Stored once.',
    held: false,
    checked: 5_200,
    violations: 2,
    examples: [{ device, at: 0, what }],
  },
]

/** A log: what is written when nobody watches. */
function openLog() {
  const stream = new PassThrough()
  const lines = () =>
    String(stream.read() ?? '')
      .trimEnd()
      .split('\n')
  return { stream, lines }
}

test('on a terminal one view is drawn over the one before, and what was there stays', () => {
  const terminal = new Terminal(100, 40)
  terminal.write('$ muster sim run\n')
  using view = createView({ stream: terminal })
  view.show(liveState())
  const first = terminal.text
  view.show(liveState({ elapsedMs: 36_000, reasons: [], workers: [] }))
  expect(first.join('\n')).toContain('ECONNRESET')
  expect(terminal.text[0]).toBe('$ muster sim run')
  expect(terminal.text[1]).toMatch(/^working-day {2}0:36 {2}phase 2 of 4: steady/)
  expect(terminal.text.join('\n')).not.toMatch(/0:35|ECONNRESET|worker 1/)
  expect(terminal.text.length).toBeLessThan(first.length)
})

test('it shows where the run is, counts and rates, percentiles, errors, invariants and workers', () => {
  const terminal = new Terminal(100, 40)
  using view = createView({ stream: terminal })
  view.show(liveState({ invariants: violated('message 7 is missing') }))
  const text = terminal.text.join('\n')
  expect(text).toMatch(/━+─+ 40 %/)
  expect(text).toMatch(/connected +985 +0\.5\/s +of 1,000/)
  expect(text).toMatch(/acknowledged +5,200 +98\/s/)
  expect(text).toMatch(/publish +12 ms +20 ms +42 ms +300 ms/)
  expect(text).toMatch(/3 × connect:ECONNRESET\n.*12 × enrol:claim-expired \(expected\)/)
  expect(text).toMatch(/✕ stored-once +2 violations: sim-sensor-00004, message 7 is missing/)
  expect(text).toMatch(/worker 1 +42 % of a core +180 MiB/)
})

test('an invariant that has nothing to judge so far has neither held nor failed', () => {
  const terminal = new Terminal(100, 40)
  using view = createView({ stream: terminal })
  const early = { statement: 'Stored once.', held: false, checked: 0, violations: 0 } as const
  const examples = [{ at: 0, what: 'nothing was judged: no message was acknowledged' }]
  view.show(liveState({ invariants: [{ name: 'stored-once', ...early, examples }] }))
  expect(terminal.text.join('\n')).toMatch(/· stored-once +nothing to judge so far/)
  const { stream, lines } = openLog()
  using log = createView({ stream })
  log.show(liveState({ invariants: [{ name: 'stored-once', ...early, examples }] }))
  expect(lines()).toEqual([expect.stringMatching(/^35s phase=.* invariants-violated=0$/)])
})

test('a draw is one write, held back until it is whole', () => {
  const terminal = new Terminal(100, 40)
  using view = createView({ stream: terminal })
  view.show(liveState())
  const writes = vi.spyOn(terminal, 'write')
  view.show(liveState())
  expect(writes).toHaveBeenCalledOnce()
  const written = String(writes.mock.calls[0]?.[0])
  expect(written.startsWith('\x1b[?2026h') && written.endsWith('\x1b[?2026l')).toBe(true)
  // Nothing is wiped before it is drawn again.
  expect(written).not.toContain('\x1b[2J')
})

test.each([
  [20, 40],
  [40, 12],
  [80, 6],
  [10, 3],
])('%d columns and %d rows are enough', (columns, rows) => {
  const terminal = new Terminal(columns, rows)
  terminal.write('before\n')
  using view = createView({ stream: terminal })
  for (let second = 0; second < 5; second++) view.show(liveState({ elapsedMs: second * 1_000 }))
  expect(terminal.text[0]).toBe('before')
  expect(terminal.text.length).toBeLessThanOrEqual(rows)
  expect(terminal.text.filter((line) => line.startsWith('working'))).toHaveLength(1)
})

test('it is drawn anew when the terminal changes its size', () => {
  const terminal = new Terminal(100, 40)
  terminal.write('before\n')
  using view = createView({ stream: terminal })
  view.show(liveState())
  terminal.resize(44, 40)
  expect(terminal.text[0]).toBe('before')
  expect(terminal.text.filter((line) => line.includes('working-day'))).toHaveLength(1)
  expect(Math.max(...terminal.text.map((line) => line.length))).toBeLessThan(44)
  terminal.resize(100, 40)
  expect(terminal.text.filter((line) => line.includes('working-day'))).toHaveLength(1)
})

test('lines that are said stand above it, and it leaves the stream as it was', () => {
  const terminal = new Terminal(100, 40)
  const view = createView({ stream: terminal })
  view.show(liveState())
  view.say('a worker has joined')
  expect(terminal.text[0]).toBe('a worker has joined')
  expect(terminal.text[1]).toMatch(/^working-day/)
  view[Symbol.dispose]()
  expect(terminal.listenerCount('resize')).toBe(0)
})

test('names in a line that is said do not act on the terminal', () => {
  const { stream, lines } = openLog()
  const terminal = new Terminal(100, 40)
  for (const view of [createView({ stream }), createView({ stream: terminal })])
    view.say('worker far-1 on \x1b]0;title\x07host\nVIOLATED')
  expect(lines()).toEqual(['worker far-1 on \\u001b]0;title\\u0007host\\u000aVIOLATED'])
  expect(terminal.written).not.toContain('\x1b]0;')
})

test('colours are for those who want them', () => {
  const coloured = new Terminal(100, 40)
  createView({ stream: coloured }).show(liveState())
  expect(coloured.written).toContain('\x1b[32m')
  vi.stubEnv('NO_COLOR', '1')
  const plain = new Terminal(100, 40)
  createView({ stream: plain }).show(liveState())
  for (const code of [1, 2, 31, 32]) expect(plain.written).not.toContain(`\x1b[${code}m`)
  expect(plain.text).toEqual(coloured.text)
})

test('a log gets a line now and then, and one when the phase changes', () => {
  const { stream, lines } = openLog()
  using view = createView({ stream, everyMs: 5_000 })
  for (let second = 0; second < 12; second++) {
    const phase = { ...liveState().phase, index: second < 7 ? 0 : 1, name: second < 7 ? 'boot up' : 'steady' }
    view.show(liveState({ elapsedMs: second * 1_000, phase }))
  }
  const written = lines()
  expect(written.map((line) => line.split(' ')[0])).toEqual(['0s', '5s', '7s'])
  expect(written[0]).toMatch(/^0s( [a-z0-9-]+=[^ ]+)+$/)
  expect(written[2]).toContain('phase=2/4:steady progress=40% connected=985/1000')
  expect(written[2]).toContain('publish-p99=42ms errors-expected=12 errors-unexpected=3 invariants-violated=0')
})

test('a log tells of the first violation of an invariant at once, and once', () => {
  const { stream, lines } = openLog()
  using view = createView({ stream, everyMs: 5_000 })
  view.show(liveState({ elapsedMs: 0 }))
  view.show(liveState({ elapsedMs: 1_000, invariants: violated('message 7 is missing') }))
  view.show(liveState({ elapsedMs: 2_000, invariants: violated('message 7 is missing') }))
  expect(lines().slice(1)).toEqual(['1s VIOLATED invariant=stored-once device=sim-sensor-00004 message 7 is missing'])
})

test.each([
  [false, /^PASSED {2}7 invariants held over [\d,]+ checks, 2 limits were met, and no error came unexpected\.$/m],
  [
    true,
    /^FAILED {2}6 of 7 invariants held.* 1 of 2 limits was met.*\n {2}- The invariant no-bricked-device was violated 3 times\. \n {2}- The limit recovered/m,
  ],
])('both end with the verdict (failed: %s)', (failed, words) => {
  const terminal = new Terminal(120, 60)
  using screen = createView({ stream: terminal })
  const { stream, lines } = openLog()
  using log = createView({ stream })
  for (const view of [screen, log]) {
    view.show(liveState())
    view.conclude(buildReport({ failed, devices: 100, minutes: 1 }))
  }
  const written = lines().slice(1).join('\n')
  expect(written).toMatch(words)
  expect(terminal.text.join('\n')).not.toContain('phase 2 of 4')
  expect(terminal.text.map((line) => line.trimEnd())).toEqual(written.split('\n').map((line) => line.trimEnd()))
})

const attack = '\x1b[2J\x1b]0;owned\x07\r\n\u202egpj.exe\x9b31m'

test('what devices say does not act on the terminal', () => {
  const terminal = new Terminal(200, 60)
  using view = createView({ stream: terminal })
  const state = liveState({
    reasons: [{ reason: `connect:${attack}`, count: 1, expected: false }],
    invariants: violated(attack, attack),
    workers: [{ name: attack, cpuShare: 1, rssBytes: 1 }],
    scenario: attack,
    phase: { ...liveState().phase, name: attack },
  })
  // The terminal throws where it meets a command or a control character that it should not.
  view.show(state)
  expect(terminal.text.join('\n')).toContain('connect:\\u001b[2J')
  view.conclude(buildReport({ failed: true, devices: 10, minutes: 1, text: attack }))
  const { stream, lines } = openLog()
  using log = createView({ stream })
  log.show(state)
  log.conclude(buildReport({ failed: true, devices: 10, minutes: 1, text: attack }))
  const written = lines()
  expect(written.join('\n')).not.toMatch(/[^\P{C}\n]/u)
  expect(written[0]).toMatch(/^35s VIOLATED/)
  expect(written[1]).toMatch(/^35s phase=2\/4:\\u001b/)
})

test('a text is cut by what can be seen of it', () => {
  expect(columnsOf('\x1b[31m日本\x1b[39m e\u0301')).toBe(6)
  expect(stripVTControlCharacters(cutTo('\x1b[31mabcdef\x1b[39m', 4))).toBe('abc…')
  expect(cutTo('\x1b[31mabcdef\x1b[39m', 4).endsWith('\x1b[39m…')).toBe(true)
  expect(cutTo('日本語', 4)).toBe('日…')
})
