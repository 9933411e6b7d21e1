import { expect, test, vi } from 'vitest'
import { type KeepOptions, keepRunning, pauseMs, type Running } from './keep-running.ts'

interface Job extends Running {
  exited: Promise<string>
  end(why: string): void
}

function createJobs() {
  const jobs: Job[] = []
  const disposed: Job[] = []
  const told: string[] = []
  const open = vi.fn(async () => {
    const { promise: exited, resolve: end } = Promise.withResolvers<string>()
    const job: Job = { exited, end, [Symbol.asyncDispose]: async () => void disposed.push(job) }
    jobs.push(job)
    return job
  })
  const options: KeepOptions<Job> = {
    open,
    onEnd: (why) => told.push(`ended: ${why}`),
    onFailure: (error) => told.push(`failed: ${(error as Error).message}`),
    onReady: () => told.push('ready'),
    signal: new AbortController().signal,
    firstPauseMs: 1,
  }
  return { jobs, disposed, told, open, options }
}

test('what ends is started again, and disposed of at the end', async () => {
  const { jobs, disposed, told, options } = createJobs()
  const kept = await keepRunning(options)
  jobs[0]?.end('killed')
  await vi.waitFor(() => expect(jobs).toHaveLength(2))
  await vi.waitFor(() => expect(kept.current).toBe(jobs[1]))
  await kept[Symbol.asyncDispose]()
  expect(told).toEqual(['ended: killed', 'ready'])
  expect(disposed).toEqual(jobs)
})

test('a failure to start again is told and tried again', async () => {
  const { jobs, told, open, options } = createJobs()
  await using _kept = await keepRunning(options)
  open.mockRejectedValueOnce(new Error('no port'))
  jobs[0]?.end('killed')
  await vi.waitFor(() => expect(told).toEqual(['ended: killed', 'failed: no port', 'ready']))
})

test('the first failure is the caller’s', async () => {
  const { open, options } = createJobs()
  open.mockRejectedValueOnce(new Error('no port'))
  await expect(keepRunning(options)).rejects.toThrow('no port')
})

test('what ends because it is disposed of is not started again', async () => {
  const { jobs, told, options } = createJobs()
  const kept = await keepRunning(options)
  const closed = kept[Symbol.asyncDispose]()
  jobs[0]?.end('stopped')
  await closed
  expect(jobs).toHaveLength(1)
  expect(told).toEqual([])
})

test('pauses double up to half a minute', () => {
  expect([0, 1, 2, 20].map((failures) => pauseMs(failures))).toEqual([250, 500, 1_000, 30_000])
})
