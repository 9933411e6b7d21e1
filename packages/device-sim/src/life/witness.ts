import type { Doing, Equipment, Seen } from '../faults/equipment.ts'
import { mayBeCutOff } from '../faults/expected.ts'
import type { DevicePlan } from '../plan/device-plan.ts'
import type { World } from './world.ts'

/** What there is to tell about a device: what it sees, what it is refused, and whether that is to be expected. */
export abstract class Witness {
  readonly world: World
  readonly plan: DevicePlan
  abstract readonly equipment: Equipment
  /** What the operator has done to it. */
  told: 'revoked' | 'suspended' | undefined
  /** The last word of the platform, where that was no. */
  refusal: string | undefined
  /** Why it is not connected, where nobody said no. */
  failure: string | undefined
  #refused: PromiseWithResolvers<void> | undefined

  constructor(world: World, plan: DevicePlan) {
    this.world = world
    this.plan = plan
  }

  see(seen: Seen): void {
    this.world.observe({ device: this.plan.device, at: Date.now(), ...seen } as Parameters<World['observe']>[0])
  }

  now(): number {
    return this.equipment.now?.() ?? Date.now()
  }

  /** Until it has been refused. */
  get refused(): Promise<void> {
    this.#refused ??= Promise.withResolvers()
    if (this.refusal !== undefined) this.#refused.resolve()
    return this.#refused.promise
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
    return mayBeCutOff(this.plan)
  }

  /** Told by the platform that it may not go on: it asks again, but not soon. */
  takeRefusal(code: string): void {
    this.refusal = code
    this.#refused?.resolve()
  }
}
