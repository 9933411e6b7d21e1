import type { z } from 'zod'
import type { DeviceClass } from './device-class.ts'
import { type Fault, renewalSteps } from './fault.ts'
import type { Phase } from './phase.ts'
import type { Slos } from './schema.ts'

interface Whole {
  devices: Record<string, DeviceClass>
  phases: Phase[]
  slos: Slos
  small: { devices: number }
}
type Complain = (path: (string | number)[], message: string) => void
type Does = (phase: Phase['do'], className?: string) => boolean

/** What no single field shows: that a class exists, that a fault or a limit has something to happen to. */
export function checkConsistency(scenario: Whole, context: z.RefinementCtx): void {
  const complain: Complain = (path, message) => context.addIssue({ code: 'custom', path, message })
  const does: Does = (phase, className) =>
    scenario.phases.some((one) => one.do === phase && (className === undefined || reaches(one, className)))
  checkPhases(scenario, complain)
  for (const [name, device] of Object.entries(scenario.devices)) {
    for (const [index, fault] of device.faults.entries()) {
      const problem = findProblem(fault, device, (phase) => does(phase, name))
      if (problem) complain(['devices', name, 'faults', index], problem)
    }
  }
  checkSlos(scenario, does, complain)
  const classes = Object.keys(scenario.devices).length
  if (scenario.small.devices < classes) complain(['small', 'devices'], `must be ${classes} at least: one of each class`)
}

function checkPhases({ devices, phases }: Whole, complain: Complain): void {
  if (phases[0]?.do !== 'boot') complain(['phases', 0], 'must be a boot: devices are off until then')
  const booted = new Map(Object.keys(devices).map((name) => [name, 0]))
  for (const [index, phase] of phases.entries()) {
    for (const [at, name] of ('of' in phase ? (phase.of ?? []) : []).entries())
      if (!booted.has(name))
        complain(['phases', index, 'of', at], `names no class; there are: ${[...booted.keys()].join(', ')}`)
    if (phase.do === 'boot')
      for (const [name, share] of booted) if (reaches(phase, name)) booted.set(name, share + phase.share)
  }
  for (const [name, share] of booted)
    if (share < 0.9999)
      complain(['devices', name], `is never switched on as a whole: boots cover ${share * 100} % of it`)
    else if (share > 1.0001) complain(['devices', name], `is switched on twice: boots cover ${share * 100} % of it`)
}

const reaches = (phase: Phase, name: string) => !('of' in phase && phase.of && !phase.of.includes(name))

function findProblem(fault: Fault, device: DeviceClass, does: Does): string | undefined {
  const renews = does('renew') || does('rotate')
  if (fault.do === 'lose-answer' && fault.to === 'renew' && !renews)
    return 'has nothing to lose: no phase lets the class renew or rotate'
  if (fault.do === 'cut-power' && fault.after !== 'any') {
    if (renewalSteps.includes(fault.after) && !renews)
      return `never comes to ${fault.after}: no phase lets the class renew or rotate`
    if (fault.after === 'published' && device.telemetry.length === 0)
      return 'never comes to published: the class has no telemetry'
  }
  if (fault.do === 'hammer' && !does('revoke') && !does('suspend'))
    return 'is never refused: no phase revokes or suspends the class'
  if (device.claim === 'each') return undefined
  if (fault.do === 'boot-twice' || fault.do === 'steal-claim' || (fault.do === 'shelf' && fault.ended === 'claim'))
    return "needs `claim: each`: a claim of the whole fleet is nobody's own"
  return undefined
}

function checkSlos({ devices, slos }: Whole, does: Does, complain: Complain): void {
  const classes = Object.values(devices)
  const measured: Partial<Record<keyof Slos, [boolean, string]>> = {
    resume: [classes.some((one) => one.mqtt.resume), 'no class resumes TLS sessions'],
    publish: [classes.some((one) => one.telemetry.length > 0), 'no class has telemetry'],
    renew: [does('renew') || does('rotate'), 'no phase renews or rotates'],
    command: [does('command'), 'no phase sends commands'],
    revoke: [does('revoke'), 'no phase revokes'],
    recovered: [does('storm'), 'no phase is a storm'],
  }
  for (const [name, [exists, why]] of Object.entries(measured))
    if (slos[name as keyof Slos] && !exists) complain(['slos', name], `is never measured: ${why}`)
}
