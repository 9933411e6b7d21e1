import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { createRandom } from '../random.ts'
import { Scheduler } from './scheduler.ts'

beforeEach(() => void vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] }))
afterEach(() => void vi.useRealTimers())

test('a thousand things happen in the order of their times, and what is cancelled does not', () => {
  const scheduler = new Scheduler()
  const random = createRandom('scheduler')
  const happened: number[] = []
  const wanted: number[] = []
  for (let index = 0; index < 1_000; index += 1) {
    const ms = Math.floor(random() * 5_000)
    const due = scheduler.after(ms, () => happened.push(ms))
    if (random() < 0.3) scheduler.cancel(due)
    else wanted.push(ms)
  }
  vi.advanceTimersByTime(2_500)
  expect(happened.length).toBe(wanted.filter((ms) => ms <= 2_500).length)
  vi.advanceTimersByTime(2_500)
  expect(happened).toEqual(wanted.toSorted((a, b) => a - b))
  expect(scheduler.size).toBe(0)
  expect(vi.getTimerCount()).toBe(0)
})

test('what is done may put itself in again, and something nearer is not kept waiting', () => {
  const scheduler = new Scheduler()
  const happened: string[] = []
  const again = scheduler.after(100, () => {
    happened.push('again')
    again.dueAt += 100
    scheduler.add(again)
  })
  scheduler.after(50, () => happened.push('nearer'))
  vi.advanceTimersByTime(310)
  expect(happened).toEqual(['nearer', 'again', 'again', 'again'])
  scheduler.clear()
  expect(vi.getTimerCount()).toBe(0)
  vi.advanceTimersByTime(1_000)
  expect(happened).toHaveLength(4)
})
