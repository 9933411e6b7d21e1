import { isUtf8 } from 'node:buffer'
import { MusterError } from '@muster/contracts'
import type { Client } from 'aedes'
import type { Limits } from '../../limits.ts'
import type { Observer } from '../../observer.ts'
import type { Relay } from '../../renewal/relay.ts'
import type { Session } from '../../sessions/session.ts'
import type { Ingest } from '../../telemetry/ingest.ts'
import { denyTopic } from '../deny-topic.ts'
import type { PublishPacket } from '../guard/packets.ts'
import { protocolError, Violation } from '../guard/violation.ts'
import { reasonCodes } from '../reason-codes.ts'
import { Acknowledgements, type Answer } from './acknowledgements.ts'
import type { ReceivedOnce } from './received-once.ts'
import type { Route } from './route.ts'
import { TopicAliases } from './topic-aliases.ts'

export interface InboundOptions {
  ingest: Ingest
  relay: Relay
  observer: Pick<Observer, 'denied' | 'published'>
  limits: Pick<Limits, 'receiveMaximum' | 'inFlightBytes' | 'topicAliases'>
  route: Route
  once: ReceivedOnce
}

interface Refusal {
  reasonCode: number
  denial: MusterError
}

/** What one client publishes: judged, stored, passed on, and only then acknowledged. */
export class Inbound {
  readonly acknowledgements: Acknowledgements
  /** Nothing more is to be read: the connection is about to end. */
  isEnding = false
  readonly #client: Client
  readonly #session: Session
  readonly #options: InboundOptions
  readonly #aliases: TopicAliases
  readonly #onRoom: () => void
  #messages = 0
  #bytes = 0
  /** A retained message is on its way, which none may overtake. [MQTT-4.6.0-6] */
  #isExclusive = false
  #unacknowledged = 0
  /** QoS 2: true once PUBREC has been sent, until PUBREL. */
  #unreleased: Map<number, boolean> | undefined

  /** `onRoom`: there is room again. */
  constructor(client: Client, session: Session, options: InboundOptions, onRoom: () => void) {
    this.#client = client
    this.#session = session
    this.#options = options
    this.#onRoom = onRoom
    this.#aliases = new TopicAliases(options.limits.topicAliases)
    this.acknowledgements = new Acknowledgements(session)
  }

  /** Whether another packet may be taken: what waits here is bounded, whatever it waits for. */
  hasRoom(): boolean {
    const { receiveMaximum, inFlightBytes } = this.#options.limits
    // MQTT 5 has one more to go too far with.
    const mostMessages = receiveMaximum + (this.#client.version === 5 ? 1 : 0)
    return this.#messages < mostMessages && this.#bytes < inFlightBytes && !this.#isExclusive
  }

  /** @throws Violation */
  publish(packet: PublishPacket): void {
    const alias = packet.properties?.topicAlias
    if (alias !== undefined) this.#aliases.resolve(packet, alias)
    const { qos, messageId = 0 } = packet
    this.#options.observer.published(qos)
    if (qos === 2) {
      this.#publishOnce(packet, messageId)
      return
    }
    if (qos === 1) this.#count(++this.#unacknowledged)
    const refusal = this.#refuse(packet)
    if (refusal) {
      this.#deny(packet, refusal)
      return
    }
    const { isDevice, renewalTopics } = this.#session
    if (packet.topic === renewalTopics.request) {
      this.#giveToRelay(packet)
      return
    }
    if (qos === 0) {
      this.#publishUnanswered(packet)
      return
    }
    if (!isDevice && this.#isUnwanted(packet)) {
      this.#unacknowledged--
      this.acknowledgements.answer('puback', messageId)
      return
    }
    const answer = this.acknowledgements.await('puback', messageId)
    this.#enter(packet)
    if (!isDevice) {
      this.#passOn(packet, answer)
      return
    }
    this.#options.ingest(this.#session, packet).then(
      () => this.#passOn(packet, answer),
      (error: unknown) => this.#fail(packet, answer, error),
    )
  }

  /** @throws Violation */
  pubrel(messageId: number): void {
    // [MQTT-4.3.3-4]
    if (this.#unreleased?.get(messageId) === false) throw protocolError('PUBREL before PUBREC')
    const room = { retain: false, length: 0 }
    this.#enter(room)
    this.#options.once.release(this.#client, messageId).then(
      (wasReceived) => {
        this.#unreleased?.delete(messageId)
        this.#leave(room)
        this.acknowledgements.complete(
          messageId,
          wasReceived || this.#client.version !== 5 ? 0 : reasonCodes.idNotFound,
        )
      },
      (error: unknown) => {
        this.#leave(room)
        this.#end(() => this.#endBecause(error))
      },
    )
  }

  /** Ends the connection when everything that came before has been answered. */
  #end(end: () => void): void {
    this.isEnding = true
    this.acknowledgements.endInTurn(end)
  }

  /** QoS 0: stored and passed on without anybody waiting, but for the room that it takes meanwhile. */
  #publishUnanswered(packet: PublishPacket): void {
    if (this.#session.isDevice) {
      this.#enter({ retain: false, length: packet.length })
      const leave = () => this.#leave({ retain: false, length: packet.length })
      this.#options.ingest(this.#session, packet).then(leave, leave)
    }
    if (this.#isUnwanted(packet)) return
    this.#enter(packet)
    this.#options.route.publish(packet, this.#client, () => this.#leave(packet))
  }

  #passOn(packet: PublishPacket, answer: Answer): void {
    // Shut out while it waited: it is not passed on, and never acknowledged.
    if (this.#session.removed) {
      this.#leave(packet)
      return
    }
    if (this.#isUnwanted(packet)) {
      this.#settle(packet, answer)
      return
    }
    this.#options.route.publish(packet, this.#client, (error) =>
      error ? this.#fail(packet, answer, error) : this.#settle(packet, answer),
    )
  }

  #settle(packet: PublishPacket, answer: Answer): void {
    this.#unacknowledged--
    this.#leave(packet)
    this.acknowledgements.settle(answer)
  }

  // No acknowledgement, and no error code either: [MQTT-4.4.0-2] forbids to send again what was answered with one.
  #fail(packet: PublishPacket, answer: Answer, error: unknown): void {
    // The database will never take it: it must not come again and again.
    if (error instanceof MusterError && error.code === 'publish-denied') {
      if (packet.qos === 1) this.#unacknowledged--
      this.#leave(packet)
      this.#denyOnce(answer, { reasonCode: reasonCodes.notAuthorized, denial: error })
      return
    }
    this.isEnding = true
    answer.end = () => this.#endBecause(error)
    this.#leave(packet)
    this.acknowledgements.settle(answer)
  }

  #endBecause(error: unknown): void {
    if (!(error instanceof MusterError)) {
      this.#session.transport.end(reasonCodes.serverBusy, 'unavailable: the message cannot be passed on now')
      return
    }
    const isFull = error.code === 'quota-exceeded'
    if (isFull) this.#options.observer.denied(this.#session, error)
    this.#session.transport.end(isFull ? reasonCodes.quotaExceeded : reasonCodes.serverBusy, error.message)
  }

  /** QoS 2. One that came before on this connection, or is known from another, is answered and goes no further. */
  #publishOnce(packet: PublishPacket, messageId: number): void {
    const isAnswered = this.#unreleased?.get(messageId)
    // The answer to the first of them is on its way.
    if (isAnswered === false) return
    if (isAnswered) {
      this.acknowledgements.answer('pubrec', messageId)
      return
    }
    this.#unreleased ??= new Map()
    const unreleased = this.#unreleased
    unreleased.set(messageId, false)
    this.#count(unreleased.size + this.#unacknowledged)
    const answer = this.acknowledgements.await('pubrec', messageId)
    this.#enter(packet)
    let refusal: Refusal | undefined
    const work = async () => {
      refusal = this.#refuse(packet)
      if (refusal) return false
      if (this.#session.isDevice) await this.#options.ingest(this.#session, packet)
      if (this.#session.removed) return false
      if (!this.#isUnwanted(packet)) await this.#options.route.publishOnce(packet, this.#client)
      return true
    }
    this.#options.once.receive(this.#client, messageId, work).then(
      () => {
        this.#leave(packet)
        if (refusal) {
          this.#denyOnce(answer, refusal)
          return
        }
        unreleased.set(messageId, true)
        this.acknowledgements.settle(answer)
      },
      (error: unknown) => this.#fail(packet, answer, error),
    )
  }

  #denyOnce(answer: Answer, { reasonCode, denial }: Refusal): void {
    this.#options.observer.denied(this.#session, denial)
    if (this.#client.version === 5) {
      this.#unreleased?.delete(answer.messageId)
      answer.reasonCode = reasonCode
      answer.reason = denial.message
    } else {
      this.isEnding = true
      answer.end = () => this.#session.transport.end(reasonCode, denial.message)
    }
    this.acknowledgements.settle(answer)
  }

  /** MQTT 3.1.1 has no way to refuse a message but to close. */
  #deny({ qos, messageId = 0 }: PublishPacket, { reasonCode, denial }: Refusal): void {
    this.#options.observer.denied(this.#session, denial)
    if (qos === 1) this.#unacknowledged--
    if (this.#client.version !== 5) this.#end(() => this.#session.transport.end(reasonCode, denial.message))
    else if (qos === 1) this.acknowledgements.answer('puback', messageId, reasonCode, denial.message)
  }

  #refuse({ topic, qos, retain, payload, properties }: PublishPacket): Refusal | undefined {
    const refused = this.#session.policy.refusePublish({ topic, qos, retain, payloadBytes: payload.length })
    if (refused !== undefined)
      return { reasonCode: reasonCodes.notAuthorized, denial: denyTopic('publish-denied', topic, refused) }
    // [MQTT-3.3.2.3.2]
    if (!properties?.payloadFormatIndicator || isUtf8(payload)) return undefined
    const denial = denyTopic('publish-denied', topic, 'the payload is not the UTF-8 that it is said to be')
    return { reasonCode: reasonCodes.payloadFormatInvalid, denial }
  }

  /** Its topic lets it come at QoS 0 and 1 alone. */
  #giveToRelay(packet: PublishPacket): void {
    const { qos, messageId = 0 } = packet
    const answer = qos === 1 ? this.acknowledgements.await('puback', messageId) : undefined
    this.#enter(packet)
    this.#options.relay.request(this.#session, packet.payload).then(
      () => (answer ? this.#settle(packet, answer) : this.#leave(packet)),
      (error: unknown) => (answer ? this.#fail(packet, answer, error) : this.#leave(packet)),
    )
  }

  #isUnwanted({ topic, retain }: PublishPacket): boolean {
    return !retain && !this.#options.route.isWanted(topic)
  }

  /** MQTT 5 was told how many may be under way; of others no more are read. [MQTT-3.3.4-9] */
  #count(underWay: number): void {
    const { receiveMaximum } = this.#options.limits
    if (this.#client.version === 5 && underWay > receiveMaximum)
      throw new Violation(reasonCodes.receiveMaximumExceeded, `more than ${receiveMaximum} messages under way`)
  }

  #enter({ length, retain }: { length: number; retain: boolean }): void {
    this.#messages++
    this.#bytes += length
    if (retain) this.#isExclusive = true
  }

  #leave({ length, retain }: { length: number; retain: boolean }): void {
    const hadRoom = this.hasRoom()
    this.#messages--
    this.#bytes -= length
    if (retain) this.#isExclusive = false
    if (!hadRoom && this.hasRoom()) this.#onRoom()
  }
}
