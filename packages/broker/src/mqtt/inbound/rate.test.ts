import { expect, test } from 'vitest'
import { Rate } from './rate.ts'

const limits = { messagesPerSecond: 10, bytesPerSecond: 1_000 }

test('a second’s worth is taken at once, what is beyond it has to be paid for', () => {
  const rate = new Rate(0)
  for (let sent = 0; sent < 10; sent++) expect(rate.take(10, limits, 0)).toBe(0)
  expect(rate.take(10, limits, 0)).toBe(100)
  expect(rate.take(10, limits, 200)).toBe(0)
})

test('bytes count like messages, and a large message is paid for afterwards', () => {
  const rate = new Rate(0)
  expect(rate.take(3_000, limits, 0)).toBe(2_000)
  expect(rate.take(500, limits, 2_000)).toBe(500)
})

test('who keeps to it for ever is never held back', () => {
  const rate = new Rate(0)
  for (let second = 1; second < 100; second++)
    for (let sent = 0; sent < 10; sent++) expect(rate.take(100, limits, second * 1_000)).toBe(0)
})

test('a rate that has been lowered counts at once', () => {
  const rate = new Rate(0)
  rate.take(0, limits, 0)
  const lower = { messagesPerSecond: 1, bytesPerSecond: 1_000 }
  expect(rate.take(0, lower, 0)).toBe(0)
  expect(rate.take(0, lower, 0)).toBe(1_000)
})

test('it is notable after ten seconds of which more than half were waited, once a minute', () => {
  const rate = new Rate(0)
  let now = 0
  const notable: number[] = []
  const flood = (until: number) => {
    while (now < until) {
      now += rate.take(0, limits, now) || 1
      if (rate.isNotable(now)) notable.push(Math.floor(now / 1_000))
    }
  }
  flood(60_000)
  expect(notable).toEqual([10])
  flood(90_000)
  expect(notable).toEqual([10, 70])
})

test('an hour of messages now and then is not notable, nor is a burst', () => {
  const rate = new Rate(0)
  for (let second = 0; second < 3_600; second += 5) {
    for (let sent = 0; sent < 12; sent++) rate.take(0, limits, second * 1_000)
    expect(rate.isNotable(second * 1_000)).toBe(false)
  }
})
