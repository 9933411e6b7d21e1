import type { Duplex } from 'node:stream'
import type { TLSSocket } from 'node:tls'
import { MusterError } from '@muster/contracts'
import type { DeviceStore } from '../store/device-store.ts'
import { type Credentials, loadCredentials, loadNextCredentials } from '../store/load-credentials.ts'
import type { DeviceClock } from '../trust/device-clock.ts'
import { type Dial, dialFor, type Open } from '../trust/dial.ts'
import { openTls } from '../trust/open-tls.ts'
import { PendingStream } from './pending-stream.ts'

/** So many attempts that end without a word count as a refusal: not every broker and proxy gives one. */
const silentFailures = 2
/** So many connections that are ended after the handshake, each without an answer, are no accident. */
const suspicious = 3

interface Prepared {
  socket: TLSSocket
  credentials: Credentials
}

/**
 * What a device presents to its broker, over all connections of one client: the next certificate if there is one, and the
 * current one where the next is refused, for as long as that lives. Being admitted makes the next one the current.
 */
export class Link {
  readonly #store: DeviceStore
  readonly #host: string
  readonly #port: number
  readonly #clock: DeviceClock
  readonly #dial: Open | undefined
  /** Of the connection that there is, or that is being made. */
  #presented: Credentials | undefined
  #other: Credentials | undefined
  #next: string | undefined
  #avoided: string | undefined
  #failures = 0
  #isSecured = false
  #silences = 0
  #refusals = 0
  /** A broker knows its CAs, and theirs would be read and kept for each connection: only where ours alone is not enough. */
  #bringsChain = false
  #prepared: Prepared | undefined
  #ticket: { certificate: string; session: Buffer } | undefined
  #promotion: Promise<void> = Promise.resolve()

  constructor(store: DeviceStore, url: string, clock: DeviceClock, dial: Dial | undefined) {
    const target = URL.parse(url)
    if (target?.protocol !== 'mqtts:')
      throw new MusterError('request-invalid', 'the broker must be like mqtts://host:8883')
    this.#store = store
    this.#host = target.hostname.replace(/^\[|\]$/g, '')
    this.#port = Number(target.port || 8_883)
    this.#clock = clock
    this.#dial = dialFor('mqtt', dial)
  }

  /** For the next connection; with what the store holds then. */
  openStream(): Duplex {
    return new PendingStream(async (signal) => {
      const prepared = this.#prepared
      this.#prepared = undefined
      this.#presented = prepared?.credentials
      if (prepared && !prepared.socket.destroyed) return prepared.socket
      this.#isSecured = false
      this.#presented = await this.#choose()
      const { socket } = await this.#open(this.#presented, signal)
      this.#isSecured = true
      return socket
    })
  }

  /** Opens the next connection ahead, as far as TLS, so that the present one is left for no longer than a CONNECT takes. */
  async prepare(signal: AbortSignal): Promise<void> {
    this.#avoided = undefined
    const prepared = await this.#open(await this.#choose(), signal)
    prepared.socket.on('error', () => undefined)
    this.discardPrepared()
    this.#prepared = prepared
  }

  /** Closes what was opened ahead and is of no use now. */
  discardPrepared(): void {
    this.#prepared?.socket.destroy()
    this.#prepared = undefined
  }

  get isPrepared(): boolean {
    return this.#prepared !== undefined && !this.#prepared.socket.destroyed
  }

  /** The broker has let the device in. */
  noteAdmission(): void {
    this.#failures = 0
    this.#refusals = 0
    this.#bringsChain = false
    const certificate = this.#presented?.enrolment.certificate
    if (certificate === undefined) return
    // Where the store cannot (a full disk), the next one stays the next one, and is presented again.
    this.#promotion = this.#store.promoteNext(certificate).catch(() => undefined)
  }

  /** Resolves when the store knows of the latest admission. */
  settled(): Promise<void> {
    return this.#promotion
  }

  /** Whether there is another certificate to try after a first refusal. */
  get hasAlternative(): boolean {
    return this.#other !== undefined && this.#refusals === 0
  }

  /** The same of a refusal by the broker, who may not know our CA yet. */
  hasAlternativeTo({ code }: MusterError): boolean {
    const mayLackChain = code === 'certificate-untrusted' && !this.#bringsChain
    return this.hasAlternative || (mayLackChain && this.#refusals === 0)
  }

  /** The broker has said something, whatever it was. */
  noteAnswer(): void {
    this.#isSecured = false
    this.#silences = 0
  }

  /** Answers what `hasAlternativeTo` was. */
  noteRefusal(refusal: MusterError): boolean {
    const hasAlternative = this.hasAlternativeTo(refusal)
    this.#refusals += 1
    this.#bringsChain = true
    this.#changeSides()
    return hasAlternative
  }

  /** Answers whether it is time to ask somebody else why: of two certificates it may be the other that is wanted. */
  noteFailure(): boolean {
    this.#failures += 1
    const isSilence = this.#isSecured
    this.#isSecured = false
    if (isSilence) {
      this.#silences += 1
      this.#bringsChain = true
    }
    const isSuspicious = isSilence && this.#silences % suspicious === 0 && this.#other === undefined
    if (this.#failures % silentFailures === 0) this.#changeSides()
    return isSuspicious
  }

  #changeSides(): void {
    const presented = this.#presented?.enrolment.certificate
    this.#avoided = presented === this.#next ? presented : undefined
  }

  async #choose(): Promise<Credentials> {
    const current = await loadCredentials(this.#store)
    const next = await loadNextCredentials(this.#store)
    const currentLives = Date.parse(current.enrolment.notAfter) > this.#clock.now().getTime()
    const avoidsNext = next?.enrolment.certificate === this.#avoided && currentLives
    const chosen = next && !avoidsNext ? next : current
    this.#next = next?.enrolment.certificate
    this.#other = chosen === next ? (currentLives ? current : undefined) : next
    return chosen
  }

  async #open(credentials: Credentials, signal: AbortSignal): Promise<Prepared> {
    const { certificate } = credentials
    const session = this.#ticket?.certificate === certificate ? this.#ticket.session : undefined
    // Tried once: what a broker makes of a ticket that it does not like is not known.
    this.#ticket = undefined
    const target = {
      host: this.#host,
      port: this.#port,
      roots: credentials.roots,
      clock: this.#clock,
      dial: this.#dial,
    }
    const onSession = (ticket: Buffer, { authorized }: TLSSocket) => {
      // What is resumed is not verified anew: only where nothing had to be overlooked.
      if (authorized) this.#ticket = { certificate, session: ticket }
    }
    const shown = {
      key: credentials.key,
      certificate: this.#bringsChain ? certificate : credentials.enrolment.certificate,
    }
    const { socket } = await openTls({ ...target, credentials: shown, signal, session, onSession })
    socket.setNoDelay(true)
    // A resumed session does not always come with a new ticket (TLS 1.2).
    if (session && socket.isSessionReused()) this.#ticket ??= { certificate, session }
    return { socket, credentials }
  }
}
