import { availableParallelism, hostname } from 'node:os'
import { setTimeout as sleep } from 'node:timers/promises'
import { MusterError } from '@muster/contracts'
import { connect, enrol, keepRenewed, memoryStore, openStore } from '@muster/device'
import type { MqttClient } from 'mqtt'
import { startLocalWorker } from '../run/local-worker.ts'
import type { WorkerLink } from '../run/worker-link.ts'
import { Channel } from './channel.ts'
import { isFirstFrame } from './frame.ts'
import { type Offer, parseOrder } from './messages.ts'
import { offersTopic, ordersTopic, reportsTopic, workersGroup } from './topics.ts'

export interface OfferOptions {
  /** The provisioner. Devices are played against this one, whatever an order says. */
  url: string
  claim: string
  /** Where its key and certificate are kept; undefined: nowhere. */
  directory: string | undefined
  /** Its name, where the claim leaves the choice. */
  name: string
  signal: AbortSignal
  onState(line: string): void
}

const offerEveryMs = 2_000
const flushMs = 5_000
const mostRemembered = 16

interface Session {
  name: string
  channel: Channel
  link: WorkerLink
  state: 'playing' | 'stopped' | 'ending'
}

/** A device of the platform that plays devices: takes its orders as commands, and reports as events, until `signal` ends it. */
export async function offerWorker(options: OfferOptions): Promise<void> {
  const { url, claim, directory, name, signal, onState } = options
  const store = directory === undefined ? memoryStore() : await openStore(directory)
  const onRetry = ({ error }: { error: MusterError }) => onState(`tries again: ${error.code}: ${error.detail}`)
  const { device } = await enrol({ url, claim, store, device: name, signal, onRetry })
  if (device.group !== workersGroup)
    throw new MusterError(
      'forbidden',
      `${device.id} is of the group ${device.group}: a worker's claim is of ${workersGroup}`,
    )
  const client = await connect({ store, signal, maxReconnectMs: 5_000 })
  await using _ = keepRenewed({ store, client })
  const topics = { orders: ordersTopic(device.fleet, device.id, ''), offers: offersTopic(device.fleet, device.id) }
  const over: string[] = []
  let session: Session | undefined

  const begin = (sessionName: string): Session => {
    const link = startLocalWorker(device.id)
    const reports = reportsTopic(device.fleet, device.id, sessionName)
    const begun: Session = {
      name: sessionName,
      link,
      state: 'playing',
      channel: new Channel({
        publish: (payload) => publish(client, reports, payload),
        onMessage: (message) => obey(begun, message, url),
        onBroken: (why) => void end(begun, `coordinator ${why}`),
      }),
    }
    link.listen((report) => begun.channel.send(report))
    void link.ended.then((what) => end(begun, what))
    onState(`plays for ${sessionName}`)
    return begun
  }
  const end = async (ended: Session, why: string) => {
    if (ended.state === 'ending') return
    // A coordinator that has said stop expects it, and may be gone.
    const isNews = ended.state === 'playing'
    ended.state = 'ending'
    if (isNews) ended.channel.send({ report: 'failed', error: why })
    if (isNews) await Promise.race([ended.channel.flush(), sleep(flushMs)])
    ended.channel[Symbol.dispose]()
    await ended.link[Symbol.asyncDispose]()
    over.push(ended.name)
    over.splice(0, over.length - mostRemembered)
    session = undefined
    onState(`is free again: ${why}`)
  }

  client.on('message', (topic, payload) => {
    if (!topic.startsWith(topics.orders)) return
    const sessionName = topic.slice(topics.orders.length)
    // Of a session that is over, or that another start of this worker had, something may still be on its way.
    if (!session && !over.includes(sessionName) && isFirstFrame(payload)) session = begin(sessionName)
    if (session?.name === sessionName) session.channel.receive(payload)
  })
  await client.subscribeAsync(`${topics.orders}#`, { qos: 1 })
  onState(`${device.id} waits for a coordinator`)
  const offer: Offer = { version: 1, host: hostname(), cpus: availableParallelism() }
  const { promise: stopped, resolve: stop } = Promise.withResolvers<void>()
  signal.addEventListener('abort', () => stop(), { once: true })
  while (!signal.aborted) {
    // It waits for as long as the broker is away.
    const offered = session ? undefined : publish(client, topics.offers, Buffer.from(JSON.stringify(offer)))
    await Promise.race([offered?.catch((error: unknown) => onState(`cannot offer itself: ${error}`)), stopped])
    await sleep(offerEveryMs, undefined, { signal }).catch(() => undefined)
  }
  if (session) await end(session, 'the worker was ended')
  await client.endAsync(!client.connected)
}

/** @throws where it is no order: the channel breaks, and with it the session */
function obey(session: Session, message: unknown, url: string): void {
  const { link } = session
  const order = parseOrder(message)
  if (order.order === 'stop') session.state = 'stopped'
  if (order.order === 'assign') link.send({ ...order, assignment: { ...order.assignment, url } })
  else if (order.order !== 'hire') link.send(order)
}

const publish = async (client: MqttClient, topic: string, payload: Buffer) =>
  void (await client.publishAsync(topic, payload, { qos: 1 }))
