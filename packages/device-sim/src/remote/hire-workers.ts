import { setTimeout as sleep } from 'node:timers/promises'
import { Device } from '@muster/contracts'
import { devicePath } from '../operator/device-path.ts'
import type { OperatorApi } from '../operator/operator-api.ts'
import type { Service } from '../operator/service.ts'
import { queueReports } from '../run/local-worker.ts'
import type { WorkerLink } from '../run/worker-link.ts'
import type { Order } from '../worker/messages.ts'
import { Channel } from './channel.ts'
import { Offer, parseReport } from './messages.ts'
import { allReports, ordersTopic, workersGroup } from './topics.ts'

const flushMs = 5_000

interface HireOptions {
  operator: OperatorApi
  service: Service
  /** So many. */
  count: number
  /** Tells this coordinator's orders from others'. */
  session: string
  signal: AbortSignal
  onNotice(line: string): void
}

/** Waits until so many workers have offered themselves. Only devices of the group `sim-workers` may: they are given claims. */
export async function hireWorkers(options: HireOptions): Promise<WorkerLink[]> {
  const { operator, service, count, session, signal, onNotice } = options
  const { fleet } = service
  const hired = new Map<string, ReturnType<typeof linkTo>>()
  const seen = new Set<string>()
  const { promise: enough, resolve, reject } = Promise.withResolvers<void>()
  const onAbort = () => reject(signal.reason)
  signal.addEventListener('abort', onAbort, { once: true })

  const consider = async (worker: string, payload: Buffer) => {
    if (seen.has(worker) || hired.size >= count) return
    const offer = Offer.safeParse(parseJson(payload)).data
    seen.add(worker)
    const device = await operator.get(devicePath(worker), Device, { fleet }).catch((error: unknown) => {
      // It offers itself again and again: next time the platform may answer.
      seen.delete(worker)
      throw error
    })
    if (!offer || device.group !== workersGroup)
      return onNotice(`${worker} offers itself as a worker, and is not of the group ${workersGroup}: left alone`)
    if (hired.size >= count) return
    hired.set(worker, linkTo(service, worker, session))
    onNotice(`worker ${worker} on ${offer.host}, ${hired.size} of ${count}`)
    if (hired.size === count) resolve()
  }
  await service.listen(allReports(fleet), (topic, payload) => {
    const [, , , worker = '', , , kind = ''] = topic.split('/')
    if (kind === session) hired.get(worker)?.receive(payload)
    if (kind === 'offer') consider(worker, payload).catch((error) => onNotice(`${worker}: ${error}`))
  })
  onNotice(`waiting for ${count} ${count === 1 ? 'worker' : 'workers'}`)
  try {
    await enough
  } catch (error) {
    // Those that wait for the others are let go.
    await Promise.all(hired.values().map((link) => link[Symbol.asyncDispose]()))
    throw error
  } finally {
    signal.removeEventListener('abort', onAbort)
  }
  return [...hired.values()]
}

function linkTo(service: Service, worker: string, session: string): WorkerLink & { receive(payload: Buffer): void } {
  const reports = queueReports()
  const { promise: ended, resolve: end } = Promise.withResolvers<string>()
  const topic = ordersTopic(service.fleet, worker, session)
  const channel = new Channel({
    publish: (payload) => service.publish(topic, payload),
    onMessage: (message) => reports.add(parseReport(message)),
    onBroken: end,
  })
  channel.send({ order: 'hire' })
  let isTold = false
  const send = (order: Order) => {
    // Once it is told to stop, it does not hear any more.
    if (!isTold) channel.send(order)
    isTold ||= order.order === 'stop'
  }
  return {
    name: worker,
    send,
    listen: reports.listen,
    ended,
    receive: (payload) => channel.receive(payload),
    async [Symbol.asyncDispose]() {
      send({ order: 'stop' })
      await Promise.race([channel.flush(), sleep(flushMs)])
      channel[Symbol.dispose]()
      end('stopped')
    },
  }
}

function parseJson(payload: Buffer): unknown {
  try {
    return JSON.parse(payload.toString())
  } catch {
    return undefined
  }
}
