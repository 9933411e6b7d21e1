import { connect } from '@muster/device'
import type { MqttClient, Packet } from 'mqtt'
import { disconnect } from '../client/encode.ts'
import type { Voice } from '../faults/actor.ts'
import { hearMessage } from './hear.ts'
import type { Life } from './life.ts'
import type { Link, Returning } from './link.ts'
import type { Message } from './message.ts'
import { serialOf } from './thin-link.ts'

/** A broker that has stopped answering keeps nobody. */
const leaveMs = 2_000
const promotionMs = 1_000
const lookMs = 5

/** A connection of the SDK's own client, that comes back by itself. @throws MusterError where the broker refuses it */
export async function openSdkLink(life: Life, signal: AbortSignal): Promise<Link> {
  const { equipment, plan } = life
  const { version, keepAlive, sessionExpiry } = plan.class.mqtt
  const startedAt = performance.now()
  const client = await connect({
    ...{ store: equipment.store, signal, protocolVersion: version, resubscribe: false, clean: sessionExpiry === 0 },
    keepalive: Math.max(1, Math.round(keepAlive / 1_000)),
    ...(version === 5 && { properties: { sessionExpiryInterval: Math.round(sessionExpiry / 1_000) } }),
    ...(equipment.dial && { dial: equipment.dial }),
    ...(equipment.now && { now: equipment.now }),
    onMessage: (topic, payload) => hearMessage(life, topic, payload),
  })
  const link = new SdkLink(life, client, performance.now() - startedAt)
  await link.learnSerial()
  return link
}

class SdkLink implements Link {
  serial = ''
  readonly resumed = false
  tookMs: number | undefined
  sessionPresent = false
  readonly returning: Returning
  readonly client: MqttClient
  readonly #life: Life
  readonly #renewing: AsyncDisposable | undefined
  readonly #waiting = new Set<Message>()
  #end: { reasonCode: number | undefined; reason: string } | undefined
  #whenClosed: ((reasonCode: number | undefined) => void)[] = []

  constructor(life: Life, client: MqttClient, tookMs: number) {
    this.#life = life
    this.client = client
    this.tookMs = tookMs
    this.returning = { hurry: () => this.#hurry(), interrupt: () => client.stream.destroy() }
    this.#renewing = life.world.keepRenewed?.(life, client)
    client.on('packetreceive', (packet) => this.#notePacket(packet))
    client.on('connect', ({ sessionPresent }) => {
      this.sessionPresent = sessionPresent
      this.tookMs = undefined
      life.power.run(async () => {
        await this.learnSerial()
        if (client.connected) life.admit(this)
      })
    })
    client.on('close', () => {
      const { reasonCode, reason = '' } = this.#end ?? {}
      this.#end = undefined
      for (const tell of this.#whenClosed.splice(0)) tell(reasonCode)
      // The SDK changes over to a new certificate by itself.
      if (life.presentsNext && reasonCode === undefined && life.link === this) life.letReturn(this)
      else life.closed(this, reasonCode, reason)
    })
  }

  /** The certificate that was presented is the store's current one as soon as that knows of the admission. */
  async learnSerial(): Promise<void> {
    const { store } = this.#life.equipment
    const end = performance.now() + promotionMs
    while ((await store.loadNext()) && performance.now() < end)
      await new Promise((resolve) => setTimeout(resolve, lookMs))
    const stored = await store.loadEnrolment()
    if (stored) this.serial = serialOf(stored.enrolment.certificate)
  }

  get unacknowledged(): number {
    return this.#waiting.size
  }

  publish(message: Message): void {
    const { topic, payload, qos } = message
    if (qos > 0) this.#waiting.add(message)
    this.client.publish(topic, payload, { qos }, (error) => {
      if (!this.#waiting.delete(message)) return
      const code = error && 'code' in error && typeof error.code === 'number' ? error.code : 0x80
      // An error without a code is the end of the client.
      if (!error) this.#life.settle(message, 0)
      else if (code > 0x80) this.#life.settle(message, code)
    })
  }

  /** The client does that. */
  sendAgain(): Message[] {
    return this.tookMs === undefined ? [...this.#waiting] : []
  }

  async subscribe(filters: readonly string[]): Promise<number> {
    const granted = await this.client.subscribeAsync([...filters], { qos: 1 }).catch(() => undefined)
    return granted ? (granted[0]?.qos ?? 0xff) : this.client.connected ? 0x80 : 0xff
  }

  leave(): void {
    const { connected, stream } = this.client
    const hurry = setTimeout(() => stream.destroy(), leaveMs)
    this.client.end(!connected, () => clearTimeout(hurry))
    void this.#renewing?.[Symbol.asyncDispose]()
  }

  cut(): void {
    this.client.end(true)
    void this.#renewing?.[Symbol.asyncDispose]()
  }

  voice(): Voice {
    const client = this.client
    const { promise: closed, resolve } = Promise.withResolvers<number | undefined>()
    this.#whenClosed.push(resolve)
    return {
      ...{ version: this.#life.plan.class.mqtt.version, closed },
      publish: (topic, payload, qos) =>
        new Promise((done) => {
          void closed.then(() => done(0xff))
          client.publish(topic, payload, { qos }, (error, packet) => done(codeIn(error) ?? codeIn(packet) ?? 0))
        }),
      subscribe: (filter, qos) =>
        client.subscribeAsync(filter, { qos }).then(
          ([grant]) => grant?.qos ?? 0xff,
          (error: unknown) => codeIn(error) ?? 0x80,
        ),
      write: (bytes) => void client.stream.write(bytes),
      pause: () => void client.stream.pause(),
      resume: () => void client.stream.resume(),
    }
  }

  #hurry(): void {
    const client = this.client
    const { stream } = client
    if (client.connected) stream.end(disconnect, () => stream.destroy())
    else if (client.reconnecting && stream.destroyed) client.connect()
  }

  #notePacket(packet: Packet): void {
    if (packet.cmd === 'disconnect')
      this.#end = { reasonCode: packet.reasonCode, reason: packet.properties?.reasonString ?? '' }
    if (packet.cmd === 'connack' && (packet.reasonCode ?? packet.returnCode ?? 0) > 0) this.#life.refuseReturn(packet)
  }
}

function codeIn(from: unknown): number | undefined {
  if (typeof from !== 'object' || from === null) return undefined
  if ('reasonCode' in from && typeof from.reasonCode === 'number') return from.reasonCode
  return 'code' in from && typeof from.code === 'number' ? from.code : undefined
}
