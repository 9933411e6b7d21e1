import { MusterError } from '@muster/contracts'
import { expect, test, vi } from 'vitest'
import type { OperatorApi } from '../operator/operator-api.ts'
import type { Service } from '../operator/service.ts'
import { decodeFrame, encodeFrame, unpackMessage } from './frame.ts'
import { hireWorkers } from './hire-workers.ts'
import { offersTopic, reportsTopic, workersGroup } from './topics.ts'

const at = '2026-11-21T07:57:00.000Z'
const device = (id: string) => ({
  ...{ id, fleet: 'default', group: workersGroup, policy: 'device', policyFrom: 'preset', profile: 'device' },
  ...{ state: 'active', attributes: {}, keyFingerprint: 'ab', enrolledAt: at, stateAt: at, connected: true },
  ...{ node: 'broker-1', connectedAt: at, seenAt: at, sessionEndsAt: null, clockSkewSeconds: null },
})

/** A coordinator that is told `answers` when it looks workers up; they confirm every order. */
function startHiring(answers: unknown[], count: number, signal: AbortSignal) {
  const notices: string[] = []
  const orders: unknown[] = []
  let hear: (topic: string, payload: Buffer) => void = () => undefined
  const operator: Pick<OperatorApi, 'get'> = {
    async get(_, schema) {
      const answer = answers.shift()
      if (answer instanceof Error) throw answer
      return schema.parse(answer)
    },
  }
  const service: Pick<Service, 'fleet' | 'listen' | 'publish'> = {
    fleet: 'default',
    async listen(_, onMessage) {
      hear = onMessage
    },
    async publish(topic, payload) {
      const { seq, part } = decodeFrame(Buffer.from(payload))
      if (seq === 0) return
      orders.push(unpackMessage([part]))
      const worker = topic.split('/')[3] ?? ''
      const confirmed = encodeFrame({ seq: 0, ack: seq, more: false, part: Buffer.alloc(0) })
      setImmediate(() => hear(reportsTopic('default', worker, 's'), confirmed))
    },
  }
  const hired = hireWorkers({
    ...{ operator: operator as OperatorApi, service: service as Service, count, session: 's', signal },
    onNotice: (line) => notices.push(line),
  })
  const offer = (worker: string) =>
    hear(offersTopic('default', worker), Buffer.from(JSON.stringify({ version: 1, host: 'there', cpus: 2 })))
  return { hired, notices, orders, offer }
}

test('a worker that could not be looked up is considered when it offers itself again', async () => {
  const answers = [new MusterError('unavailable', 'the database is away'), device('far-1')]
  const { hired, notices, orders, offer } = startHiring(answers, 1, new AbortController().signal)
  offer('far-1')
  await vi.waitFor(() => expect(notices).toContainEqual(expect.stringContaining('the database is away')))
  offer('far-1')
  const [worker] = await hired
  expect(worker?.name).toBe('far-1')
  await worker?.[Symbol.asyncDispose]()
  expect(orders).toEqual([{ order: 'hire' }, { order: 'stop' }])
})

test('one that was hired before the run was interrupted is told to stop', async () => {
  const ending = new AbortController()
  const { hired, notices, orders, offer } = startHiring([device('far-1')], 2, ending.signal)
  offer('far-1')
  await vi.waitFor(() => expect(notices).toContain('worker far-1 on there, 1 of 2'))
  ending.abort(new Error('interrupted'))
  await expect(hired).rejects.toThrow('interrupted')
  expect(orders).toEqual([{ order: 'hire' }, { order: 'stop' }])
})
