import { apportion } from '../plan/apportion.ts'
import type { Phase } from './phase.ts'
import type { Scenario } from './schema.ts'
import { writeTime } from './units.ts'

export interface Size {
  /** As the scenario says itself. */
  small?: boolean
  /** In all; each class in proportion, and at least one of it. */
  devices?: number
  /** What times of phases, telemetry and faults are multiplied by. Latencies stay, and limits, but for `small`. */
  time?: number
  seed?: number
}

type Written = Record<string | number, unknown>

/** The same scenario, smaller or larger, as it would be written. @returns undefined where nothing changes */
export function resizeScenario(
  scenario: Scenario,
  written: unknown,
  size: Size,
): { written: unknown } | { problem: string } | undefined {
  const total = Object.values(scenario.devices).reduce((sum, { count }) => sum + count, 0)
  const devices = size.devices ?? (size.small ? Math.min(scenario.small.devices, total) : total)
  const time = size.time ?? (size.small ? scenario.small.time : 1)
  const seed = size.seed ?? scenario.seed
  const limits = size.small ? scenario.small.limits : 1
  if (devices === total && time === 1 && limits === 1 && seed === scenario.seed) return undefined
  const classes = Object.values(scenario.devices)
  if (devices < classes.length) return { problem: `has ${classes.length} classes, so ${devices} devices are too few` }
  const counts = apportion(
    classes.map(({ count }) => count),
    devices,
    1,
  )
  // Through JSON: what an alias repeats becomes a copy of its own.
  const copy = JSON.parse(JSON.stringify(written)) as Written
  const set = (path: (string | number)[], value: unknown) => {
    const parent = path.slice(0, -1).reduce<Written>((node, key) => {
      node[key] ??= {}
      return node[key] as Written
    }, copy)
    parent[path.at(-1) ?? ''] = value
  }
  set(['seed'], seed)
  for (const [index, name] of Object.keys(scenario.devices).entries()) set(['devices', name, 'count'], counts[index])
  for (const [path, ms, least = 10] of listTimes(scenario))
    if (ms > 0 && time !== 1) set(path, writeTime(Math.max(Math.min(least, ms), Math.round(ms * time))))
  for (const [index, phase] of scenario.phases.entries())
    if (phase.do === 'command') set(['phases', index, 'perSecond'], resizeRate(phase.perSecond, devices / total / time))
  for (const [path, ms] of listLimits(scenario)) if (limits !== 1) set(path, writeTime(Math.round(ms * limits)))
  return { written: copy }
}

/** Each device hears as many commands as at full size. */
const resizeRate = (perSecond: number, factor: number) => Math.min(10_000, Number((perSecond * factor).toPrecision(4)))

/** Less would be a network on which nothing works: a connection over a slow one takes seconds, and a lost one has to be noticed. */
const leastDisconnectMs = 60_000
const leastKeepAliveMs = 5_000

function* listLimits({ slos: { errors: _, recovered, ...latencies } }: Scenario): Generator<[string[], number]> {
  if (recovered) yield [['slos', 'recovered', 'within'], recovered.within]
  for (const [name, limits] of Object.entries(latencies))
    for (const [percentile, ms] of Object.entries(limits ?? {})) if (ms) yield [['slos', name, percentile], ms]
}

/** Where each is, how long it is, and what it is not to be below. */
function* listTimes(scenario: Scenario): Generator<[(string | number)[], number, number?]> {
  for (const [index, phase] of scenario.phases.entries())
    for (const field of ['over', 'for', 'offline', 'off'] as const) {
      const ms = (phase as Phase & Partial<Record<typeof field, number>>)[field]
      if (ms !== undefined) yield [['phases', index, field], ms]
    }
  for (const [name, { telemetry, mqtt, network, faults }] of Object.entries(scenario.devices)) {
    const path = ['devices', name]
    for (const [index, stream] of telemetry.entries()) yield [[...path, 'telemetry', index, 'every'], stream.every]
    if (network.disconnectEvery !== undefined) {
      yield [[...path, 'network', 'disconnectEvery'], network.disconnectEvery, leastDisconnectMs]
      yield [[...path, 'mqtt', 'keepAlive'], mqtt.keepAlive, leastKeepAliveMs]
    }
    for (const [index, fault] of faults.entries()) {
      if ('every' in fault) yield [[...path, 'faults', index, 'every'], fault.every]
      if ('off' in fault) yield [[...path, 'faults', index, 'off'], fault.off]
      if (fault.do === 'clone') yield [[...path, 'faults', index, 'after'], fault.after]
    }
  }
}
