import { describe, expect, test } from 'vitest'
import type { Order, Report } from '../worker/messages.ts'
import { gatherCrew } from './crew.ts'
import { queueReports } from './local-worker.ts'

/** The coordinator's end of a worker that does what the test says. */
function worker(name: string) {
  const reports = queueReports()
  const orders: Order[] = []
  const { promise: ended, resolve: end } = Promise.withResolvers<string>()
  const link = {
    ...{ name, ended, listen: reports.listen },
    send: (order: Order) => void orders.push(order),
    [Symbol.asyncDispose]: async () => undefined,
  }
  return { link, orders, say: (report: Report) => reports.add(report), end }
}

const hearing = { onTick: () => undefined, onObserved: () => undefined }
const ready = { report: 'ready', pid: 1, host: 'here', rssBytes: 1 } as const
const never = new AbortController().signal

describe('works', () => {
  test('what was said before anybody listened is heard', async () => {
    const one = worker('1')
    one.say(ready)
    expect(await gatherCrew([one.link], hearing).ready(never)).toEqual([ready])
  })

  test('a phase is over when each is through with it', async () => {
    const [one, two] = [worker('1'), worker('2')]
    const crew = gatherCrew([one.link, two.link], hearing)
    const done = crew.phaseDone(3, never)
    two.say({ report: 'phase-done', index: 3 })
    one.say({ report: 'phase-done', index: 2 })
    expect(crew.lagging(3)).toEqual(['1'])
    one.say({ report: 'phase-done', index: 3 })
    await done
    expect(crew.lagging(3)).toEqual([])
  })
})

describe('fails', () => {
  test('with the output of a worker that ends', async () => {
    const [one, two] = [worker('1'), worker('2')]
    const crew = gatherCrew([one.link, two.link], hearing)
    const done = crew.phaseDone(0, never)
    two.end('ended with SIGSEGV: something terrible')
    await expect(done).rejects.toThrow('worker 2 ended with SIGSEGV: something terrible')
    await expect(crew.finished(never)).rejects.toThrow('worker 2')
  })

  test('with what a worker says itself', async () => {
    const one = worker('1')
    const crew = gatherCrew([one.link], hearing)
    one.say({ report: 'failed', error: 'out of memory' })
    await expect(crew.ready(never)).rejects.toThrow('worker 1 has failed: out of memory')
  })

  test('not by a worker that was told to stop', async () => {
    const one = worker('1')
    const crew = gatherCrew([one.link], hearing)
    crew.stop()
    one.end('ended with 0')
    await one.link.ended
    expect(one.orders).toEqual([{ order: 'stop' }])
    expect(crew.failure.aborted).toBe(false)
  })

  test('when it is called off', async () => {
    const calling = new AbortController()
    const crew = gatherCrew([worker('1').link], hearing)
    const done = crew.phaseDone(0, calling.signal)
    calling.abort(new Error('enough'))
    await expect(done).rejects.toThrow('enough')
  })
})
