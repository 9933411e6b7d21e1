import { X509Certificate } from 'node:crypto'
import type { DeviceStore, StoredEnrolment } from '../store/device-store.ts'

/** Between a time that a server told and the device's clock: more means that the clock is wrong. */
const toleranceMs = 300_000

interface Bounds {
  /** Certainly past: what carries this date was made before. */
  earliest: number
  /** The device's clock is not believed after it: until then the device would have renewed. */
  latest: number
}

/**
 * What a device knows about the time although its clock may be unset: never before a date that is certainly past,
 * and after the first answer of a server that time and how long ago it was.
 */
export class DeviceClock {
  #bounds: Bounds = { earliest: 0, latest: Number.POSITIVE_INFINITY }
  #learned: { serverMs: number; at: number } | undefined
  #own: (() => number) | undefined

  /** The device has a clock of its own: that of the process, by which OpenSSL judges, says nothing. */
  useOwn(now: () => number): void {
    this.#own = now
  }

  get isOwn(): boolean {
    return this.#own !== undefined
  }

  /** What the device's clock shows, right or wrong. */
  local(): Date {
    return new Date(this.#localMs())
  }

  /** The certificate of the device carries two dates that its CA vouches for; the answer it came in, a third. */
  bindTo({ enrolment }: StoredEnrolment): void {
    const { validFromDate, validToDate } = new X509Certificate(enrolment.certificate)
    const serverMs = Math.min(Date.parse(enrolment.serverTime), validToDate.getTime())
    this.bindBetween(new Date(Math.max(serverMs - toleranceMs, validFromDate.getTime())), validToDate)
  }

  bindBetween(earliest: Date, latest: Date): void {
    this.#bounds = { earliest: Math.max(this.#bounds.earliest, earliest.getTime()), latest: latest.getTime() }
  }

  /** A lower bound of the time: what has expired by it has expired. */
  earliest(): Date {
    return new Date(Math.max(this.#bounds.earliest, (this.#learnedMs() ?? 0) - toleranceMs))
  }

  /** The best guess. */
  now(): Date {
    return new Date(this.#learnedMs() ?? (this.isLocalPlausible() ? this.#localMs() : this.#bounds.earliest))
  }

  /** Whether nothing contradicts the device's own clock. */
  isLocalPlausible(): boolean {
    const local = this.#localMs()
    const learned = this.#learnedMs()
    if (learned !== undefined) return Math.abs(local - learned) <= toleranceMs
    return local >= this.#bounds.earliest - toleranceMs && local <= this.#bounds.latest
  }

  /**
   * Believes the time a trusted server told, unless it lies beyond what the server's own certificate allows: a server whose
   * clock is years ahead must not make the device refuse every certificate from then on.
   */
  learn(serverTime: string, serverCertificate: X509Certificate): void {
    const serverMs = Date.parse(serverTime)
    const isPossible = serverMs >= this.#bounds.earliest - toleranceMs
    if (!isPossible || serverMs > serverCertificate.validToDate.getTime()) return
    this.#learned = { serverMs, at: performance.now() }
  }

  #localMs(): number {
    return this.#own?.() ?? Date.now()
  }

  #learnedMs(): number | undefined {
    return this.#learned && this.#learned.serverMs + (performance.now() - this.#learned.at)
  }
}

const clocks = new WeakMap<DeviceStore, DeviceClock>()

/** The one clock of a device in this process, with what its store says about the time; `now` where the device has its own. */
export async function clockOf(store: DeviceStore, now?: () => number): Promise<DeviceClock> {
  const clock = clocks.get(store) ?? new DeviceClock()
  clocks.set(store, clock)
  if (now) clock.useOwn(now)
  const stored = await store.loadEnrolment()
  if (stored) clock.bindTo(stored)
  return clock
}
