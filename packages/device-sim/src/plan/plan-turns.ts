import type { Phase } from '../scenario/phase.ts'
import type { Scenario } from '../scenario/schema.ts'
import { apportion } from './apportion.ts'
import type { PlannedTurn } from './device-plan.ts'
import { type ClassLayout, layFleetOut } from './fleet-layout.ts'
import { countShare } from './plan-device.ts'

/** Which devices a phase takes, and when; in the order of time. A device that is commanded may have several turns. */
export function planTurns(scenario: Scenario, phaseIndex: number): PlannedTurn[] {
  const booted = new Set<number>()
  const revoked = new Set<number>()
  const shares = new Map<string, number>()
  for (const [index, phase] of scenario.phases.entries()) {
    if (index === phaseIndex) return scheduleTurns(phase, chooseDevices(scenario, index, { booted, revoked, shares }))
    if (phase.do !== 'boot' && phase.do !== 'revoke') continue
    const chosen = chooseDevices(scenario, index, { booted, revoked, shares })
    for (const device of chosen) (phase.do === 'boot' ? booted : revoked).add(device)
  }
  throw new RangeError(`there is no phase ${phaseIndex}`)
}

interface Before {
  booted: ReadonlySet<number>
  revoked: ReadonlySet<number>
  /** Of each class, what earlier boots have taken. */
  shares: Map<string, number>
}

/** Evenly over the classes, and in an order that mixes them evenly. */
function chooseDevices(scenario: Scenario, phaseIndex: number, before: Before): number[] {
  const phase = scenario.phases[phaseIndex]
  if (!phase || phase.do === 'steady') return []
  const classes = layFleetOut(scenario).filter(({ name }) => phase.of?.includes(name) ?? true)
  const counts =
    phase.do === 'boot'
      ? classes.map((one) => countBoot(one, phase.share, before.shares))
      : apportion(
          classes.map(({ count }) => count),
          countShare(
            phase.share,
            classes.reduce((sum, { count }) => sum + count, 0),
          ),
        )
  const mixed: { device: number; place: number }[] = []
  for (const [index, one] of classes.entries()) {
    const possible = listDevices(one, `phase ${phaseIndex}`).filter((device) =>
      phase.do === 'boot' ? !before.booted.has(device) : before.booted.has(device) && !before.revoked.has(device),
    )
    const chosen = possible.slice(0, counts[index])
    for (const [rank, device] of chosen.entries()) mixed.push({ device, place: (rank + 0.5) / chosen.length })
  }
  return mixed.sort((a, b) => a.place - b.place || a.device - b.device).map(({ device }) => device)
}

function* range(count: number): Generator<number> {
  for (let number = 0; number < count; number += 1) yield number
}

function listDevices({ from, count, shuffle }: ClassLayout, what: string): number[] {
  const place = shuffle(what)
  return Array.from(range(count), (number) => from + place(number))
}

/** Rounded from the whole, so that boots of a third each leave nobody out. */
function countBoot({ name, count }: ClassLayout, share: number, shares: Map<string, number>): number {
  const before = shares.get(name) ?? 0
  const after = before + share > 0.9999 ? 1 : before + share
  shares.set(name, after)
  return Math.round(after * count) - Math.round(before * count)
}

function scheduleTurns(phase: Phase, devices: readonly number[]): PlannedTurn[] {
  const count = devices.length
  if (count === 0) return []
  if (phase.do === 'command') {
    const commands = Math.max(1, Math.round((phase.perSecond * phase.for) / 1_000))
    return Array.from(range(commands), (number) => ({
      index: devices[number % count] ?? 0,
      atMs: Math.floor((number * phase.for) / commands),
    }))
  }
  const over = 'over' in phase ? phase.over : 0
  const waves = phase.do === 'firmware' ? Math.min(phase.waves ?? count, count) : count
  return devices.map((index, place) => ({
    index,
    atMs: Math.floor((Math.floor((place * waves) / count) * over) / waves),
  }))
}
