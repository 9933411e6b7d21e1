import { setTimeout as sleep } from 'node:timers/promises'
import { CreatedClaim } from '@muster/contracts'
import { createLimit } from '../limit.ts'
import { planDevice } from '../plan/plan-device.ts'
import type { Scenario } from '../scenario/schema.ts'
import type { OperatorApi } from './operator-api.ts'

export interface Claims {
  /** Those that the devices `from` up to, not including, `to` need: by class, or by device where it has its own. */
  of(from: number, to: number): Record<string, string>
}

interface ClaimOptions {
  operator: OperatorApi
  scenario: Scenario
  fleet: string
  prefix: string
  devices: number
  signal: AbortSignal
  /** So that it can be taken back. */
  onCreated(id: string): void
}

/** By which the claims of a run are known. */
export const labelOf = (prefix: string) => `muster sim ${prefix}`

const concurrent = 4
const validFor = '24h'
/** The shortest that there is. */
const expiredAfterMs = 1_000

/** One claim for a class, or one a device; and for those that were too long in a box one that has ended. */
export async function createClaims(options: ClaimOptions): Promise<Claims> {
  const { operator, scenario, fleet, prefix, devices, signal } = options
  const byClass = new Map<string, string>()
  const byDevice = new Map<string, string>()
  const create = async (request: Record<string, unknown>) => {
    signal.throwIfAborted()
    const { id, claim } = await operator.post('/v1/claims', { fleet, label: labelOf(prefix), ...request }, CreatedClaim)
    options.onCreated(id)
    return claim
  }
  for (const [name, { claim, count, group }] of Object.entries(scenario.devices))
    if (claim === 'fleet') byClass.set(name, await create({ group, uses: count, expiresIn: validFor }))

  const whenFree = createLimit(concurrent)
  const classes: string[] = []
  let hasExpired = false
  const own: Promise<void>[] = []
  for (let index = 0; index < devices; index += 1) {
    const plan = planDevice(scenario, prefix, index)
    const { device, className } = plan
    classes.push(className)
    const isExpired = plan.faults.some((fault) => fault.do === 'shelf' && fault.ended === 'claim')
    hasExpired ||= isExpired
    if (plan.class.claim === 'fleet' && !isExpired) continue
    const request = { group: plan.class.group, device, expiresIn: isExpired ? '1s' : validFor }
    own.push(whenFree(async () => void byDevice.set(device, await create(request))))
  }
  await Promise.all(own)
  if (hasExpired) await sleep(expiredAfterMs, undefined, { signal })

  return {
    of(from, to) {
      const claims: Record<string, string> = {}
      for (let index = from; index < to; index += 1) {
        const className = classes[index] ?? ''
        const { device } = planDevice(scenario, prefix, index)
        const [name, claim] = [device, byDevice.get(device)]
        if (claim !== undefined) claims[name] = claim
        else claims[className] = byClass.get(className) ?? ''
      }
      return claims
    },
  }
}
