import { parse, stringify } from 'yaml'
import { type ParsedScenario, parseScenario } from '../scenario/parse-scenario.ts'
import type { Phase } from '../scenario/phase.ts'
import type { Slos } from '../scenario/schema.ts'

/** What devices do with any broker. */
const plainPhases: readonly Phase['do'][] = ['boot', 'steady', 'storm', 'firmware']
const plainSlos: readonly (keyof Slos)[] = ['connect', 'resume', 'publish', 'recovered', 'errors']

interface Written {
  devices: Record<string, Record<string, unknown>>
  phases: { do: Phase['do'] }[]
  slos?: Partial<Record<keyof Slos, unknown>>
}

/** The part of a scenario that does not need Muster, and a line for each thing that is left out. */
export function reduceScenario({ yaml }: ParsedScenario): ParsedScenario & { skipped: string[] } {
  // Through JSON: what an alias repeats becomes a copy of its own.
  const written = JSON.parse(JSON.stringify(parse(yaml, { merge: true }))) as Written
  const skipped: string[] = []
  for (const [index, { do: name }] of written.phases.entries())
    if (!plainPhases.includes(name)) skipped.push(`phase ${index + 1} (${name}) is not played: it needs Muster`)
  written.phases = written.phases.filter(({ do: name }) => plainPhases.includes(name))
  for (const [name, device] of Object.entries(written.devices)) {
    const faults = (device.faults ?? []) as { do: string }[]
    if (faults.length > 0)
      skipped.push(`faults of ${name} (${faults.map((fault) => fault.do).join(', ')}) are not played: they need Muster`)
    Object.assign(device, { faults: [], commands: 'none' })
  }
  const slos = written.slos ?? {}
  const hasStorm = written.phases.some((phase) => phase.do === 'storm')
  for (const name of Object.keys(slos) as (keyof Slos)[]) {
    if (plainSlos.includes(name) && (name !== 'recovered' || hasStorm)) continue
    skipped.push(`the limit of ${name} is not judged: it needs Muster`)
    delete slos[name]
  }
  return { ...parseScenario(stringify(written)), skipped }
}
