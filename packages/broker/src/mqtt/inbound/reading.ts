import { MusterError } from '@muster/contracts'
import type { Client } from 'aedes'
import type { Limits } from '../../limits.ts'
import type { Observer } from '../../observer.ts'
import type { Session } from '../../sessions/session.ts'
import { type Intake, keepAwake, takeOverReading } from '../client.ts'
import type { ClientPacket, PublishPacket } from '../guard/packets.ts'
import { readViolation, Violation } from '../guard/violation.ts'
import type { Opening } from '../read-connect.ts'
import { reasonCodes } from '../reason-codes.ts'
import { Inbound, type InboundOptions } from './inbound.ts'
import { Rate } from './rate.ts'
import { Unfinished } from './unfinished.ts'

export interface ReadingOptions extends InboundOptions {
  limits: Limits
  observer: Pick<Observer, 'denied' | 'published' | 'packetReceived' | 'cutOff'>
  /** Sees every packet but PUBLISH, PUBREL and PINGREQ; aedes gets those for which it answers true. */
  inspect(client: Client, session: Session, packet: ClientPacket): boolean
}

/** How long it may take before an idle look at whether reading may go on. */
const lookEveryMs = 1_000

/**
 * Reads one connection, packet by packet, as fast as what comes may be taken: while anything has to wait, nothing more is
 * read, and TCP holds the client back.
 */
export class Reading {
  readonly #client: Client
  readonly #session: Session
  readonly #options: ReadingOptions
  readonly #opening: Opening
  readonly #inbound: Inbound
  readonly #aedes: Intake
  #rate: Rate | undefined
  #mayReadAt = 0
  /** Since when too much waits to be read by the client. */
  #unreadSince: number | undefined
  #timer: NodeJS.Timeout | undefined
  #unfinished: Unfinished | undefined
  #isReading = false
  /** aedes is at work on something that what follows may depend on. */
  #isBusy = false
  #isBroken = false
  /** Packets of this turn, by type. */
  readonly #counts = new Map<string, number>()

  constructor(client: Client, session: Session, opening: Opening, options: ReadingOptions) {
    this.#client = client
    this.#session = session
    this.#opening = opening
    this.#options = options
    opening.decoder.maxBytes = options.limits.packetBytes
    this.#inbound = new Inbound(client, session, options, () => this.#read())
    this.#inbound.acknowledgements.saysWhy = opening.packet.properties?.requestProblemInformation !== false
    this.#aedes = takeOverReading(client, () => {
      this.#isBusy = false
      this.#read()
    })
  }

  start(): void {
    const { socket } = this.#session
    socket.on('readable', () => this.#read())
    socket.on('drain', () => this.#read())
    socket.on('close', () => {
      clearTimeout(this.#timer)
      this.#unfinished?.stop()
    })
    this.#give(this.#opening.packet)
    this.#report()
  }

  #read(): void {
    if (this.#isReading) return
    this.#isReading = true
    try {
      this.#readAll()
    } catch (error) {
      this.#isBroken = true
      const violation = readViolation(error)
      this.#options.observer.denied(this.#session, violation)
      this.#session.transport.end(violation.reasonCode, violation.message)
    } finally {
      this.#isReading = false
      this.#inbound.acknowledgements.flush()
      this.#report()
    }
  }

  #readAll(): void {
    const { decoder } = this.#opening
    const { socket } = this.#session
    clearTimeout(this.#timer)
    this.#timer = undefined
    while (this.#mayRead()) {
      const packet = decoder.next()
      if (packet) {
        this.#unfinished?.end()
        this.#take(packet)
        continue
      }
      const chunk = socket.read() as Buffer | null
      if (!chunk) {
        this.#awaitRest()
        return
      }
      keepAwake(this.#client)
      decoder.push(chunk)
    }
    this.#lookAgain()
  }

  #mayRead(): boolean {
    if (this.#isBusy || this.#isBroken || this.#inbound.isEnding) return false
    const { removed, socket } = this.#session
    if (removed || socket.destroyed || this.#client.closed) return false
    // What answers it waits to be read: no more is added to it.
    if (socket.writableLength > this.#options.limits.unreadBytes) {
      this.#unreadSince ??= performance.now()
      return false
    }
    this.#unreadSince = undefined
    return this.#inbound.hasRoom() && (this.#mayReadAt === 0 || this.#isDue())
  }

  #isDue(): boolean {
    if (performance.now() < this.#mayReadAt) return false
    this.#mayReadAt = 0
    return true
  }

  /** Whom we do not read cannot show that it is alive. */
  #lookAgain(): void {
    if (this.#isBusy || this.#isBroken || this.#inbound.isEnding || this.#session.socket.destroyed) return
    if (this.#unreadSince !== undefined && performance.now() - this.#unreadSince > this.#options.limits.drainMs) {
      this.#options.observer.cutOff(this.#session)
      this.#session.socket.destroy()
      return
    }
    this.#unfinished?.end()
    keepAwake(this.#client)
    const waitMs = this.#mayReadAt === 0 ? lookEveryMs : this.#mayReadAt - performance.now()
    this.#timer = setTimeout(() => this.#read(), Math.max(1, Math.min(lookEveryMs, waitMs)))
  }

  #awaitRest(): void {
    if (this.#opening.decoder.pending === 0) return
    this.#unfinished ??= new Unfinished(this.#options.limits.packetMs, () => {
      this.#isBroken = true
      const seconds = this.#options.limits.packetMs / 1_000
      const violation = new Violation(reasonCodes.quotaExceeded, `a packet took longer than ${seconds} s to arrive`)
      this.#options.observer.denied(this.#session, violation)
      this.#session.transport.end(violation.reasonCode, violation.message)
    })
    this.#unfinished.wait()
  }

  #take(packet: ClientPacket): void {
    this.#counts.set(packet.cmd, (this.#counts.get(packet.cmd) ?? 0) + 1)
    switch (packet.cmd) {
      case 'publish':
        this.#charge(packet)
        this.#inbound.publish(packet)
        break
      case 'pubrel':
        this.#inbound.pubrel(packet.messageId)
        break
      case 'pingreq':
        this.#inbound.acknowledgements.pong()
        break
      default:
        this.#give(packet)
    }
  }

  #give(packet: ClientPacket): void {
    if (!this.#options.inspect(this.#client, this.#session, packet)) return
    // Before the answers to what it sent earlier nothing of a DISCONNECT is to be seen.
    this.#inbound.acknowledgements.flush()
    this.#isBusy = true
    this.#aedes.handle(packet)
  }

  #charge({ length }: PublishPacket): void {
    const now = performance.now()
    const { limits } = this.#session.policy
    this.#rate ??= new Rate(now)
    const waitMs = this.#rate.take(length, limits, now)
    if (waitMs === 0) return
    this.#mayReadAt = now + waitMs
    if (!this.#rate.isNotable(now)) return
    const { messagesPerSecond, bytesPerSecond } = limits
    const allowed = `${messagesPerSecond} messages and ${bytesPerSecond} bytes a second`
    this.#options.observer.denied(
      this.#session,
      new MusterError('rate-limited', `slowed down: it publishes far more than ${allowed}`),
    )
  }

  #report(): void {
    for (const [type, count] of this.#counts) this.#options.observer.packetReceived(this.#session, type, count)
    this.#counts.clear()
  }
}
