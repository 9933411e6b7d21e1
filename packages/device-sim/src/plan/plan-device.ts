import { createRandom } from '../random.ts'
import type { Fault, Step } from '../scenario/fault.ts'
import { renewalSteps, steps } from '../scenario/fault.ts'
import type { Phase } from '../scenario/phase.ts'
import type { Scenario } from '../scenario/schema.ts'
import type { DevicePlan, PlannedFault } from './device-plan.ts'
import { type ClassLayout, layFleetOut } from './fleet-layout.ts'

/** Device `index` of the fleet, of 0 to `countDevices` - 1. */
export function planDevice(scenario: Scenario, prefix: string, index: number): DevicePlan {
  const layout = layFleetOut(scenario)
  const at = layout.find(({ from, count }) => index >= from && index < from + count)
  if (!at) throw new RangeError(`there is no device ${index}`)
  const { name, class: device } = at
  const number = index - at.from
  const random = createRandom(scenario.seed, 'device', name, number)
  /** In [0, 1): evenly over the class, so that mixes are exact to one device. */
  const even = (what: string) => (at.shuffle(what)(number) + 0.5) / at.count
  return {
    index,
    device: `${prefix}-${name}-${String(number + 1).padStart(5, '0')}`,
    className: name,
    class: device,
    keyAlgorithm: choose(device.keys, even('keys')),
    attributes: {
      model: device.models[Math.floor(even('models') * device.models.length)] ?? '',
      firmware: `1.${Math.floor(random() * 10)}.${Math.floor(random() * 10)}`,
    },
    streams: device.telemetry.map((stream, which) => ({
      ...stream,
      level: Number(choose(stream.qos, even(`qos ${which}`))) as 0 | 1 | 2,
      firstAfterMs: Math.floor(random() * stream.every),
    })),
    clock: planClock(device.clock, random()),
    faults: planFaults(scenario, at, number),
  }
}

function choose<Key extends string>(mix: Key | Partial<Record<Key, number>>, at: number): Key {
  if (typeof mix === 'string') return mix
  const weights = Object.entries(mix) as [Key, number][]
  const sum = weights.reduce((all, [, weight]) => all + weight, 0)
  let end = 0
  const found = weights.find(([, weight]) => {
    end += weight / sum
    return at < end
  })
  return (found ?? weights.at(-1) ?? ['' as Key])[0]
}

function planClock({ skew = 0, drift = 0, bootsAt }: ClassLayout['class']['clock'], at: number): DevicePlan['clock'] {
  const [least, most] = typeof skew === 'number' ? [skew, skew] : skew
  return {
    skewMs: Math.round(least + (most - least) * at),
    driftPpm: drift,
    bootsAt: bootsAt === undefined ? undefined : Date.parse(bootsAt),
  }
}

/** The faults of a class take its devices one after another, each its share, and begin again at the first one. */
function planFaults({ seed: root, phases }: Scenario, at: ClassLayout, number: number): PlannedFault[] {
  const place = at.shuffle('faults')(number)
  const planned: PlannedFault[] = []
  let from = 0
  for (const [which, fault] of at.class.faults.entries()) {
    const count = countShare(fault.share, at.count)
    const turn = (((place - from) % at.count) + at.count) % at.count
    from += count
    if (turn >= count) continue
    const seed = Math.floor(createRandom(root, 'fault', at.name, which, number)() * 2 ** 31)
    planned.push({ ...settle(fault, turn, at, phases), seed })
  }
  return planned
}

/** Exact to one device, and at least one. */
export const countShare = (share: number, count: number): number =>
  share === 0 ? 0 : Math.max(1, Math.round(share * count))

/** `any` becomes each of the steps that the class goes through, in turn. */
function settle(fault: Fault, turn: number, at: ClassLayout, phases: readonly Phase[]): Fault {
  if (fault.do !== 'cut-power' || fault.after !== 'any') return fault
  const renews = phases.some(
    (phase) => (phase.do === 'renew' || phase.do === 'rotate') && (phase.of?.includes(at.name) ?? true),
  )
  const passed = (step: Step) =>
    (renews || !renewalSteps.includes(step)) && (step !== 'published' || at.class.telemetry.length > 0)
  const possible = steps.filter(passed)
  return { ...fault, after: possible[turn % possible.length] ?? 'boot' }
}
