import { X509Certificate } from 'node:crypto'
import { createSecureContext } from 'node:tls'
import type { Enrolment } from '@muster/contracts'
import { type Credentials, loadCredentials, loadNextCredentials } from '@muster/device'
import type { ConnectionEvents } from '../client/connect-options.ts'
import { Connection } from '../client/connection.ts'
import type { Answer } from '../client/read-answer.ts'
import { readMessage } from '../client/read-packets.ts'
import type { Voice } from '../faults/actor.ts'
import { hearMessage } from './hear.ts'
import type { Life } from './life.ts'
import type { Link } from './link.ts'
import type { Message } from './message.ts'

const connectMs = 30_000

/** A TLS session of this device, and the certificate that it stands for. */
export interface Ticket {
  serial: string
  session: Buffer
}

/**
 * Opens a connection with the next certificate of the store if there is one, else with the current one.
 * @throws ConnectFailure, or what the store throws
 */
export async function openThinLink(life: Life, signal: AbortSignal): Promise<ThinLink> {
  const { plan, equipment } = life
  const { mqtt } = plan.class
  const credentials = await chooseCredentials(life)
  const serial = serialOf(credentials.enrolment.certificate)
  const { host, port } = brokerOf(credentials.enrolment)
  const ticket = mqtt.resume && life.ticket?.serial === serial ? life.ticket.session : undefined
  const link = new ThinLink(life, serial)
  const startedAt = performance.now()
  const connection = await Connection.open(
    {
      ...{ host, port, servername: host, signal },
      // Not kept: it is what a connection costs most.
      secureContext: createSecureContext({
        key: credentials.key.export({ type: 'pkcs8', format: 'pem' }),
        cert: credentials.certificate,
        ca: credentials.roots,
        minVersion: 'TLSv1.2',
      }),
      over: equipment.dial?.({ host, port, purpose: 'mqtt' }),
      session: ticket,
      clientId: credentials.enrolment.mqtt.clientId,
      version: mqtt.version,
      clean: mqtt.sessionExpiry === 0,
      sessionExpirySeconds: Math.round(mqtt.sessionExpiry / 1_000),
      keepAliveSeconds: Math.max(1, Math.round(mqtt.keepAlive / 1_000)),
      timeoutMs: connectMs,
    },
    link,
  )
  link.attach(connection, performance.now() - startedAt)
  if (life.presentsNext) await equipment.store.promoteNext(credentials.enrolment.certificate)
  return link
}

async function chooseCredentials(life: Life): Promise<Credentials> {
  const { store } = life.equipment
  const next = life.avoidsNext ? undefined : await loadNextCredentials(store)
  life.presentsNext = next !== undefined
  return next ?? loadCredentials(store)
}

export function brokerOf({ mqtt }: Enrolment): { host: string; port: number } {
  const url = new URL(mqtt.url)
  return { host: url.hostname.replace(/^\[|\]$/g, ''), port: Number(url.port || 8_883) }
}

export function serialOf(certificate: string): string {
  return new X509Certificate(certificate).serialNumber.toLowerCase()
}

/** One connection of the thin client: what it hears goes to the life that it belongs to. */
export class ThinLink implements Link, ConnectionEvents {
  readonly serial: string
  readonly #life: Life
  #connection: Connection | undefined
  #whenClosed: ((reasonCode: number | undefined) => void)[] | undefined
  resumed = false
  tookMs: number | undefined

  constructor(life: Life, serial: string) {
    this.#life = life
    this.serial = serial
  }

  attach(connection: Connection, tookMs: number): void {
    this.#connection = connection
    this.resumed = connection.socket.isSessionReused()
    this.tookMs = tookMs
  }

  get sessionPresent(): boolean {
    return this.#connection?.sessionPresent ?? false
  }

  get unacknowledged(): number {
    return this.#life.outbox.size
  }

  publish(message: Message): void {
    if (this.#connection) this.#life.outbox.send(message, this.#connection)
  }

  /** What the connection before this one has left unacknowledged. */
  sendAgain(): Message[] {
    return this.#connection ? this.#life.outbox.sendAgain(this.#connection) : []
  }

  subscribe(filters: readonly string[]): Promise<number> {
    return this.#connection?.subscribe(filters, 1) ?? Promise.resolve(0xff)
  }

  leave(): void {
    this.#connection?.close()
    this.#tellClosed(undefined)
  }

  cut(): void {
    this.#connection?.cut()
    this.#tellClosed(undefined)
  }

  voice(): Voice {
    const connection = this.#connection
    if (!connection) throw new TypeError('a link without a connection has no voice')
    const { promise: closed, resolve } = Promise.withResolvers<number | undefined>()
    this.#whenClosed ??= []
    this.#whenClosed.push(resolve)
    const { socket, version } = connection
    return {
      ...{ version, closed },
      publish: (topic, payload, qos) => connection.ask(topic, payload, qos),
      subscribe: (filter, qos) => connection.subscribe([filter], qos),
      write: (bytes) => connection.send(bytes),
      pause: () => void socket.pause(),
      resume: () => void socket.resume(),
    }
  }

  message(connection: Connection, flags: number, bytes: Buffer, start: number, end: number): void {
    const { topic, payload } = readMessage(flags, bytes, start, end, connection.version)
    hearMessage(this.#life, topic, payload)
  }

  answered(connection: Connection, type: number, messageId: number, answer: Answer): void {
    const message = this.#life.outbox.answered(connection, type, messageId, answer)
    if (message) this.#life.settle(message, answer.reasonCode)
  }

  session(_connection: Connection, session: Buffer): void {
    // Its buffer is a part of a larger one.
    this.#life.ticket = { serial: this.serial, session: Buffer.from(session) }
  }

  closed(_connection: Connection, reasonCode: number | undefined, reason: string): void {
    this.#tellClosed(reasonCode)
    this.#life.closed(this, reasonCode, reason)
  }

  #tellClosed(reasonCode: number | undefined): void {
    for (const tell of this.#whenClosed ?? []) tell(reasonCode)
    this.#whenClosed = undefined
  }
}
