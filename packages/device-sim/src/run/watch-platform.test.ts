import { expect, test, vi } from 'vitest'
import type { OperatorApi } from '../operator/operator-api.ts'
import { watchPlatform } from './watch-platform.ts'

/** Fails so many times, and answers then. */
function failing(times: number) {
  const asked = vi.fn(async () => {
    if (asked.mock.calls.length <= times) throw new Error('ECONNRESET')
    return {}
  })
  return { asked, get: asked as unknown as OperatorApi['get'] }
}

test.each([
  ['a connection that was closed as it was used again is no outage', 1, 0],
  ['a platform that does not answer the second time either is away', 2, 1],
])('%s', async (_, times, outages) => {
  const operator = failing(times)
  const told: string[] = []
  const watch = watchPlatform(operator, ({ why }) => told.push(why))
  await vi.waitFor(() => {
    expect(operator.asked.mock.calls.length).toBeGreaterThanOrEqual(2)
    expect(told).toHaveLength(outages)
  })
  await watch[Symbol.asyncDispose]()
  expect(told).toEqual(Array(outages).fill('ECONNRESET'))
  expect(watch.outages).toHaveLength(outages)
})
