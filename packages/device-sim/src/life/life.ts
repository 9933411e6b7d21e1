import type { IConnackPacket } from 'mqtt'
import { equip } from '../faults/equip.ts'
import type { Equipment } from '../faults/equipment.ts'
import type { DevicePlan } from '../plan/device-plan.ts'
import type { Due } from '../telemetry/scheduler.ts'
import { startActors } from './act.ts'
import { Attempts } from './attempts.ts'
import { enrolLife } from './enrol-life.ts'
import { subscribeToAll } from './hear.ts'
import { hexCode, type Judgement, judgeConnack, judgeDisconnect, judgeFailure } from './judge.ts'
import type { Link } from './link.ts'
import type { Message } from './message.ts'
import { Outbox } from './outbox.ts'
import { Power } from './power.ts'
import { renewWhenDue } from './renew-life.ts'
import { openSdkLink } from './sdk-link.ts'
import type { StreamRun } from './stream-run.ts'
import { openThinLink, type Ticket } from './thin-link.ts'
import { Witness } from './witness.ts'
import type { World } from './world.ts'

/** Not worth another client. */
const shortMs = 1_000

/**
 * One device, from power-on to the end of the run:
 * off -> enrolling -> away <-> connecting -> connected; a power cut or new firmware leads back to off.
 */
export class Life extends Witness {
  readonly equipment: Equipment
  readonly outbox = new Outbox()
  state: 'off' | 'enrolling' | 'away' | 'connecting' | 'connected' = 'off'
  link: Link | undefined
  broker: { host: string; port: number } | undefined
  /** What it may hear. */
  grants: readonly string[] = []
  /** `fleets/<fleet>/devices/<device>/` */
  base = ''
  /** Of the certificate that was presented last. */
  serial: string | undefined
  renewing = false
  presentsNext = false
  avoidsNext = false
  ticket: Ticket | undefined
  streams: StreamRun[] = []
  /** Off, and on again by itself. */
  comesBack = false
  enrolledBefore = false
  readonly power = new Power((error) => {
    if (!this.world.signal.aborted) this.world.fail(error)
  })
  #attempt: Due | undefined
  #renewal: Due | undefined
  readonly #attempts: Attempts
  /** Away, and coming back by itself. */
  #returning: Link | undefined
  #publishedThisBoot = false
  #hasStarted = false
  #hasBeenIn = false

  constructor(world: World, plan: DevicePlan, equipWith = equip) {
    super(world, plan)
    this.#attempts = new Attempts(plan.class.network.disconnectEvery)
    this.equipment = equipWith(plan, {
      seed: world.seed,
      observe: (seen) => this.see(seen),
      cut: (offMs) => this.cutPower(offMs),
      signal: world.signal,
    })
  }

  /** Nothing is under way: it is connected, or was told no, or is off for good. */
  get isAtRest(): boolean {
    if (this.renewing) return false
    if (this.state === 'off') return !this.comesBack
    return this.state === 'connected' || this.refusal !== undefined
  }

  boot(): void {
    if (this.power.isOn || this.world.signal.aborted) return
    this.comesBack = false
    this.power.turnOn()
    this.state = 'enrolling'
    this.refusal = undefined
    this.#attempts.forget()
    this.#publishedThisBoot = false
    this.power.run(async (signal) => {
      this.equipment.boot()
      this.#noteStart()
      this.equipment.step('boot')
      await enrolLife(this, signal)
      signal.throwIfAborted()
      for (const stream of this.streams) stream.start()
      if (!this.world.keepRenewed) renewWhenDue(this)
      await this.#connect(signal)
    })
  }

  #noteStart(): void {
    if (this.#hasStarted) return
    this.#hasStarted = true
    this.world.account.counts.started += 1
    startActors(this, 'boot')
  }

  /** New firmware, or the end: everything is said that has to be said before. */
  shutDown(): void {
    this.#endLink((link) => link.leave())
    this.#powerOff()
  }

  /** What was not durable is gone. */
  cutPower(offMs: number): void {
    this.#endLink((link) => link.cut())
    this.#powerOff()
    this.comesBack = true
    this.world.scheduler.after(offMs, () => this.boot())
  }

  /** The connection breaks, and the device comes back when it may. */
  interrupt(offlineMs: number): void {
    if (this.state !== 'connected' && this.state !== 'away') return
    this.refusal = undefined
    this.#attempts.forget()
    const { link } = this
    if (link?.returning && offlineMs < shortMs) {
      this.letReturn(link)
      link.returning.interrupt()
      return
    }
    this.#endLink((link) => link.cut())
    this.#retry(offlineMs + this.#attempts.pauseMs(false))
  }

  /** Changes over to the certificate that follows. */
  present(): void {
    this.avoidsNext = false
    if (this.state === 'connecting') this.world.scheduler.after(shortMs, () => this.present())
    else {
      if (this.link?.returning) this.letReturn(this.link)
      else this.#endLink((link) => link.leave())
      this.connectNow()
    }
  }

  /** At once, whatever it was waiting for. */
  connectNow(afterMs = 0): void {
    if (this.state !== 'away') return
    this.refusal = undefined
    if (this.#returning) this.#returning.returning?.hurry()
    else this.#retry(afterMs)
  }

  /** The operator lets it in again, or is about to. */
  resume(): void {
    this.#attempts.expectAdmission()
    this.connectNow(this.#attempts.pauseMs(false))
  }

  publish(message: Message): void {
    this.world.account.counts.published += 1
    this.link?.publish(message)
  }

  /** A message with QoS 1 or 2 is done with. */
  settle({ n, sender, topic, at, released }: Message, reasonCode: number): void {
    // MQTT 5 §4.3.3: what was received with QoS 2 has arrived, also where the broker has forgotten its number since.
    if (reasonCode >= 0x80 && !released) {
      this.refuse('publish', hexCode(reasonCode))
      return
    }
    if (sender) sender.acknowledged(n, topic, performance.now() - at)
    else this.world.account.counts.acknowledged += 1
    if (!this.#publishedThisBoot) this.power.run(async () => this.equipment.step('published'))
    this.#publishedThisBoot = true
  }

  /** The broker, or the network, has ended a connection. */
  closed(link: Link, reasonCode: number | undefined, reason: string): void {
    if (this.link !== link) return
    this.#unlink(link, { byUs: false, ...(reasonCode !== undefined && { reasonCode }) })
    this.#attempts.noteClose()
    if (link.returning) this.#returning = link
    this.#judge(judgeDisconnect(reasonCode, reason), 'connection')
  }

  /** A client that comes back by itself was not let in. */
  refuseReturn(connack: IConnackPacket): void {
    if (this.#returning) this.#judge(judgeConnack(connack), 'connect')
  }

  renewAfter(ms: number, renew: () => void): void {
    this.world.scheduler.cancel(this.#renewal)
    this.#renewal = this.world.scheduler.after(ms, renew)
  }

  async #connect(signal: AbortSignal): Promise<void> {
    this.state = 'connecting'
    try {
      const link = await this.#open(signal)
      if (signal.aborted) return link.cut()
      this.admit(link)
    } catch (error) {
      if (signal.aborted) return
      this.#attempts.noteFailure()
      this.state = 'away'
      this.#judge(judgeFailure(error, this.plan.class.mqtt.version), 'connect')
    }
  }

  #open(signal: AbortSignal): Promise<Link> {
    if (this.plan.class.client === 'sdk') return openSdkLink(this, signal)
    return this.world.connecting(() => openThinLink(this, signal))
  }

  /** The broker has let it in: the first time, or again. */
  admit(link: Link): void {
    this.link = link
    this.serial = link.serial
    this.state = 'connected'
    this.refusal = undefined
    this.failure = undefined
    this.presentsNext = false
    this.avoidsNext = false
    this.#returning = undefined
    if (this.#attempts.noteAdmission()) this.told = undefined
    this.world.account.admit(link)
    const { serial, resumed, tookMs } = link
    const begun = tookMs === undefined ? {} : { begunAt: Date.now() - tookMs }
    this.see({ saw: 'connected', serial, resumed, ...begun })
    for (const { topic, n, sender } of link.sendAgain()) if (sender) this.see({ saw: 'sent-again', topic, n })
    if (!link.sessionPresent) this.power.run(() => subscribeToAll(this, link))
    this.power.run(async () => this.equipment.step('connected'))
    if (this.#hasBeenIn || !this.link) return
    this.#hasBeenIn = true
    startActors(this, 'connected')
  }

  #judge({ refused, code }: Judgement, doing: 'connect' | 'connection'): void {
    if (refused && doing === 'connect') this.refuse('connect', code)
    else this.note(doing, code)
    this.failure = code
    // There may be another certificate: which of the two the platform wants is not known here.
    const hasAlternative = refused && this.presentsNext
    if (refused) {
      this.avoidsNext = this.presentsNext
      this.presentsNext = false
    }
    const isFinal = this.#attempts.isFinal({ refused, code }, hasAlternative)
    if (isFinal) this.takeRefusal(code)
    if (!this.#returning) this.#retry(this.#attempts.pauseMs(isFinal))
  }

  #retry(ms: number): void {
    if (!this.power.isOn) return
    this.state = 'away'
    this.world.scheduler.cancel(this.#attempt)
    this.#attempt = this.world.scheduler.after(ms, () => this.power.run((signal) => this.#connect(signal)))
  }

  #endLink(end: (link: Link) => void): void {
    const { link } = this
    if (this.#returning) end(this.#returning)
    this.#returning = undefined
    if (!link) return
    this.#unlink(link, { byUs: true })
    end(link)
  }

  /** Its connection ends now, by us, and its client comes back by itself. */
  letReturn(link: Link): void {
    this.#unlink(link, { byUs: true })
    this.#returning = link
  }

  #unlink({ serial }: Link, how: { byUs: boolean; reasonCode?: number }): void {
    this.link = undefined
    this.state = 'away'
    this.world.account.counts.connected -= 1
    for (const stream of this.streams) stream.tellRange()
    this.see({ saw: 'closed', serial, ...how })
  }

  #powerOff(): void {
    this.power.turnOff()
    this.state = 'off'
    this.ticket = undefined
    this.renewing = false
    this.outbox.clear()
    for (const stream of this.streams) stream.stop()
    this.world.scheduler.cancel(this.#attempt)
    this.world.scheduler.cancel(this.#renewal)
  }
}
