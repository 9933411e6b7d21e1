import { expect, test } from 'vitest'
import { createLimit } from './limit.ts'

test('never runs more than allowed, runs everything in order, and survives a failure', async () => {
  const limited = createLimit(3)
  const started: number[] = []
  let running = 0
  let most = 0
  const results = await Promise.allSettled(
    Array.from({ length: 50 }, (_, index) =>
      limited(async () => {
        started.push(index)
        running += 1
        most = Math.max(most, running)
        await new Promise(setImmediate)
        running -= 1
        if (index % 7 === 0) throw new Error('seven')
        return index
      }),
    ),
  )
  expect(most).toBe(3)
  expect(started).toEqual(Array.from({ length: 50 }, (_, index) => index))
  expect(results.filter(({ status }) => status === 'rejected')).toHaveLength(8)
})
