import { expect, test } from 'vitest'
import { type ClockSources, openClock } from './clock.ts'

/** Clocks that are set by hand. */
function createMachine() {
  const state = { boot: 'boot-1' as string | undefined, up: 100_000, steady: 5_000, wall: 1_700_000_000_000 }
  const sources: ClockSources = {
    boot: () => state.boot,
    upMs: () => state.up,
    steadyMs: () => state.steady,
    wallMs: () => state.wall,
  }
  const pass = (ms: number) => {
    state.up += ms
    state.steady += ms
    state.wall += ms
  }
  const sleep = (ms: number) => {
    state.up += ms
    state.wall += ms
  }
  return { state, sources, pass, sleep }
}

test('time passes, also while the machine sleeps, and a clock that is set back changes nothing', () => {
  const machine = createMachine()
  const clock = openClock(machine.sources)
  const start = clock.now()
  machine.pass(1_000)
  expect(clock.now() - start).toBe(1_000)
  machine.sleep(60_000)
  expect(clock.now() - start).toBe(61_000)
  machine.state.wall -= 3_600_000
  machine.pass(500)
  expect(clock.now() - start).toBe(61_500)
})

test('a clock that is set forward counts as time that has passed', () => {
  const machine = createMachine()
  const clock = openClock(machine.sources)
  const start = clock.now()
  machine.state.wall += 3_600_000
  expect(clock.now() - start).toBe(3_600_000)
})

test.each([
  ['as time goes by', () => {}, 2_000],
  ['the wall clock was set forward', (state: { wall: number }) => (state.wall += 60_000), 62_000],
  ['the wall clock was set back', (state: { wall: number }) => (state.wall -= 60_000), Number.POSITIVE_INFINITY],
  ['the machine was started anew', (state: { boot?: string }) => (state.boot = 'boot-2'), Number.POSITIVE_INFINITY],
  ['nobody knows which start it is', (state: { boot?: string }) => delete state.boot, Number.POSITIVE_INFINITY],
  ['the time since the start began anew', (state: { up: number }) => (state.up = 10), Number.POSITIVE_INFINITY],
] as const)('the age of what an earlier process wrote down: %s', (_, happen, expected) => {
  const machine = createMachine()
  const earlier = openClock(machine.sources)
  machine.pass(1_000)
  const mark = earlier.mark(earlier.now() - 500)
  machine.pass(1_500)
  happen(machine.state as never)
  expect(openClock(machine.sources).since(mark)).toBe(expected)
})
