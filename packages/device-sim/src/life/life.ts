import { pauseMs } from '@muster/device'
import { equip } from '../faults/equip.ts'
import type { Doing, Equipment, Seen } from '../faults/equipment.ts'
import type { DevicePlan } from '../plan/device-plan.ts'
import type { Due } from '../telemetry/scheduler.ts'
import { startActors } from './act.ts'
import { enrolLife } from './enrol-life.ts'
import { hearMessage, subscribeToAll } from './hear.ts'
import { hexCode, type Judgement, judgeDisconnect, judgeFailure } from './judge.ts'
import type { Link } from './link.ts'
import type { Message } from './message.ts'
import { Outbox } from './outbox.ts'
import { renewWhenDue } from './renew-life.ts'
import type { StreamRun } from './stream-run.ts'
import { openThinLink, type ThinLink, type Ticket } from './thin-link.ts'
import type { World } from './world.ts'

/** As the SDK has it: a suspended device may be resumed, but not within seconds. */
const refusedPauseMs = 300_000
const steadyMs = 30_000
/** So long a device that is resumed asks again soon. */
const resumeMs = 30_000

/**
 * One device, from power-on to the end of the run:
 * off -> enrolling -> away <-> connecting -> connected; a power cut or new firmware leads back to off.
 */
export class Life {
  readonly world: World
  readonly plan: DevicePlan
  readonly equipment: Equipment
  readonly outbox = new Outbox()
  state: 'off' | 'enrolling' | 'away' | 'connecting' | 'connected' = 'off'
  /** What the operator has done to it. */
  told: 'revoked' | 'suspended' | undefined
  link: Link | undefined
  /** The last word of the platform, where that was no. */
  refusal: string | undefined
  /** Why it is not connected, where nobody said no. */
  failure: string | undefined
  broker: { host: string; port: number } | undefined
  /** What it may hear. */
  grants: readonly string[] = []
  /** `fleets/<fleet>/devices/<device>/` */
  base = ''
  /** Of the current certificate; `renewing`: it is getting another. */
  serial: string | undefined
  renewing = false
  presentsNext = false
  avoidsNext = false
  ticket: Ticket | undefined
  streams: StreamRun[] = []
  /** Off, and on again by itself. */
  comesBack = false
  enrolledBefore = false
  #power: AbortController | undefined
  #attempt: Due | undefined
  #renewal: Due | undefined
  #failures = 0
  #connectedAt = 0
  #eagerUntil = 0
  #publishedThisBoot = false
  #actors = new Set<'boot' | 'connected'>()
  #refused: PromiseWithResolvers<void> | undefined

  constructor(world: World, plan: DevicePlan) {
    this.world = world
    this.plan = plan
    this.equipment = equip(plan, {
      seed: world.seed,
      observe: (seen) => this.see(seen),
      cut: (offMs) => this.cutPower(offMs),
      signal: world.signal,
    })
  }

  see(seen: Seen): void {
    this.world.observe({ device: this.plan.device, at: Date.now(), ...seen } as Parameters<World['observe']>[0])
  }

  now(): number {
    return this.equipment.now?.() ?? Date.now()
  }

  get isOn(): boolean {
    return this.#power !== undefined
  }

  /** Nothing is under way: it is connected, or was told no, or is off for good. */
  get isAtRest(): boolean {
    if (this.renewing) return false
    if (this.state === 'off') return !this.comesBack
    return this.state === 'connected' || this.refusal !== undefined
  }

  /** Until it has been refused. */
  get refused(): Promise<void> {
    this.#refused ??= Promise.withResolvers()
    if (this.refusal !== undefined) this.#refused.resolve()
    return this.#refused.promise
  }

  boot(): void {
    if (this.#power || this.world.signal.aborted) return
    if (!this.enrolledBefore) this.world.account.counts.started += 1
    this.comesBack = false
    this.#power = new AbortController()
    this.state = 'enrolling'
    this.refusal = undefined
    this.#failures = 0
    this.#publishedThisBoot = false
    this.#guard(async (signal) => {
      this.equipment.boot()
      this.equipment.step('boot')
      this.act('boot')
      await enrolLife(this, signal)
      signal.throwIfAborted()
      for (const stream of this.streams) stream.start()
      renewWhenDue(this)
      await this.#connect(signal)
    })
  }

  /** New firmware, or the end: everything is said that has to be said before. */
  shutDown(): void {
    this.leave()
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
    if (!this.#power || this.state === 'enrolling') return
    this.#endLink((link) => link.cut())
    this.refusal = undefined
    this.#failures = 0
    this.#retry(offlineMs + pauseMs(0, {}))
  }

  leave(): void {
    this.#endLink((link) => link.leave())
  }

  /** At once, whatever it was waiting for. */
  connectNow(afterMs = 0): void {
    this.refusal = undefined
    if (this.state === 'away') this.#retry(afterMs)
  }

  /** The operator lets it in again, or is about to. */
  resume(): void {
    this.#eagerUntil = performance.now() + resumeMs
    this.#failures = 0
    this.connectNow(pauseMs(0, {}))
  }

  publish(message: Message): void {
    this.world.account.counts.published += 1
    this.link?.publish(message)
  }

  /** A message with QoS 1 or 2 is done with. */
  settle({ n, sender, topic, at }: Message, reasonCode: number): void {
    if (reasonCode >= 0x80) {
      this.refuse('publish', hexCode(reasonCode))
      return
    }
    if (sender) sender.acknowledged(n, topic, performance.now() - at)
    else this.world.account.counts.acknowledged += 1
    if (this.#publishedThisBoot) return
    this.#publishedThisBoot = true
    this.#guard(async () => this.equipment.step('published'))
  }

  hear(topic: string, payload: Buffer): void {
    hearMessage(this, topic, payload)
  }

  /** The broker, or the network, has ended a connection. */
  closed(link: Link, reasonCode: number | undefined, reason: string): void {
    if (this.link !== link) return
    this.#unlink(link, { byUs: false, ...(reasonCode !== undefined && { reasonCode }) })
    this.#failures = performance.now() - this.#connectedAt > steadyMs ? 0 : this.#failures + 1
    this.#judge(judgeDisconnect(reasonCode, reason), 'connection')
  }

  /** Counts what the platform has refused. */
  refuse(doing: Doing, code: string): void {
    this.note(doing, code)
    this.see({ saw: 'refused', doing, code })
  }

  note(doing: Doing | 'connection', code: string, expected = this.expects(doing, code)): void {
    this.world.account.note(doing, code, expected)
  }

  expects(doing: Doing | 'connection', code: string): boolean {
    if (this.told !== undefined) return true
    if (doing !== 'connection') return this.equipment.expects(doing, code)
    return this.plan.faults.length > 0 || this.plan.class.network.disconnectEvery !== undefined
  }

  act(at: 'boot' | 'connected'): void {
    if (this.#actors.has(at)) return
    this.#actors.add(at)
    startActors(this, at)
  }

  /** Told by the platform that it may not go on: it asks again, but not soon. */
  takeRefusal(code: string): void {
    this.refusal = code
    this.#refused?.resolve()
  }

  /** Over before `ms` where the device is off by then. */
  renewAfter(ms: number, renew: () => void): void {
    this.world.scheduler.cancel(this.#renewal)
    this.#renewal = this.world.scheduler.after(ms, renew)
  }

  /** Runs something that ends with the power. */
  whilePowered(task: (signal: AbortSignal) => Promise<void>): void {
    if (this.#power) this.#guard(task)
  }

  #guard(task: (signal: AbortSignal) => Promise<void>): void {
    const signal = this.#power?.signal
    if (!signal) return
    task(signal).catch((error: unknown) => {
      // A power cut ends everything in mid-air.
      if (!signal.aborted && !this.world.signal.aborted) this.world.fail(error)
    })
  }

  async #connect(signal: AbortSignal): Promise<void> {
    this.state = 'connecting'
    try {
      const link = await this.world.connecting(() => openThinLink(this, signal))
      if (signal.aborted) return link.cut()
      this.#admit(link)
    } catch (error) {
      if (signal.aborted) return
      this.#failures += 1
      this.state = 'away'
      this.#judge(judgeFailure(error, this.plan.class.mqtt.version), 'connect')
    }
  }

  #admit(link: ThinLink): void {
    const { account } = this.world
    this.link = link
    this.serial = link.serial
    this.state = 'connected'
    this.refusal = undefined
    this.failure = undefined
    this.avoidsNext = false
    if (this.#eagerUntil > 0) this.told = undefined
    this.#eagerUntil = 0
    this.#connectedAt = performance.now()
    account.counts.connections += 1
    account.counts.connected += 1
    if (link.resumed) account.counts.resumed += 1
    account.record(link.resumed ? 'resume' : 'connect', link.tookMs)
    this.see({ saw: 'connected', serial: link.serial, resumed: link.resumed })
    for (const { topic, n, sender } of link.sendAgain()) if (sender) this.see({ saw: 'sent-again', topic, n })
    if (!link.sessionPresent) this.#guard(() => subscribeToAll(this, link))
    this.#guard(async () => this.equipment.step('connected'))
    if (this.state === 'connected') this.act('connected')
  }

  #judge({ refused, code }: Judgement, doing: 'connect' | 'connection'): void {
    if (refused && doing === 'connect') this.refuse('connect', code)
    else this.note(doing, code)
    this.failure = code
    // There may be another certificate: which of the two the platform wants is not known here.
    const hasAlternative = refused && this.presentsNext
    if (refused) this.avoidsNext = this.presentsNext
    const isHopeful = !refused || performance.now() < this.#eagerUntil
    if (isHopeful) this.#retry(pauseMs(this.#failures, {}))
    else if (hasAlternative) this.#retry(pauseMs(0, {}))
    else {
      this.takeRefusal(code)
      this.#retry(pauseMs(0, { minMs: refusedPauseMs, maxMs: refusedPauseMs }))
    }
  }

  #retry(ms: number): void {
    if (!this.#power) return
    this.state = 'away'
    this.world.scheduler.cancel(this.#attempt)
    this.#attempt = this.world.scheduler.after(ms, () => this.#guard((signal) => this.#connect(signal)))
  }

  #endLink(end: (link: Link) => void): void {
    const { link } = this
    if (!link) return
    end(link)
    this.#unlink(link, { byUs: true })
  }

  #unlink({ serial }: Link, how: { byUs: boolean; reasonCode?: number }): void {
    this.link = undefined
    this.state = 'away'
    this.world.account.counts.connected -= 1
    for (const stream of this.streams) stream.tellRange()
    this.see({ saw: 'closed', serial, ...how })
  }

  #powerOff(): void {
    this.#power?.abort()
    this.#power = undefined
    this.state = 'off'
    this.ticket = undefined
    this.renewing = false
    this.outbox.clear()
    for (const stream of this.streams) stream.stop()
    this.world.scheduler.cancel(this.#attempt)
    this.world.scheduler.cancel(this.#renewal)
  }
}
