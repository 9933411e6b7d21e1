import { setTimeout as sleep } from 'node:timers/promises'
import type { Life } from '../life/life.ts'
import { renewLife } from '../life/renew-life.ts'
import { planTurns } from '../plan/plan-turns.ts'
import type { Phase } from '../scenario/phase.ts'
import type { Fleet } from './fleet.ts'

const lookMs = 50

/** Plays a phase with this worker's devices, from `zeroAt` (of `performance.now()`) on; resolves when it is over for each of them, or its time is. */
export async function playPhase(fleet: Fleet, index: number, zeroAt: number, signal: AbortSignal): Promise<void> {
  const phase = fleet.scenario.phases[index]
  if (!phase) throw new RangeError(`there is no phase ${index}`)
  const act = actionOf(phase, fleet)
  if (!act) return sleep(Math.max(0, zeroAt + lengthOf(phase) - performance.now()), undefined, { signal })

  const concerned = new Set<Life>()
  let last = 0
  for (const { index: device, atMs } of planTurns(fleet.scenario, index)) {
    last = Math.max(last, atMs)
    const life = fleet.lives.get(device)
    if (!life) continue
    fleet.scheduler.after(zeroAt + atMs - performance.now(), () => {
      act(life)
      concerned.add(life)
    })
  }
  await sleep(Math.max(0, zeroAt + last + lookMs - performance.now()), undefined, { signal })
  const end = zeroAt + last + ('within' in phase ? phase.within : 0)
  while (performance.now() < end) {
    for (const life of concerned) if (life.isAtRest) concerned.delete(life)
    if (concerned.size === 0) return
    await sleep(lookMs, undefined, { signal })
  }
}

/** What a turn is for a device; undefined where only the operator acts. */
function actionOf(phase: Phase, { scheduler }: Fleet): ((life: Life) => void) | undefined {
  switch (phase.do) {
    case 'boot':
      return (life) => life.boot()
    case 'storm':
      return (life) => life.interrupt(phase.offline)
    case 'rotate':
      return (life) => renewLife(life, false)
    case 'renew':
      return (life) => renewLife(life, phase.newKeys)
    case 'firmware':
      return (life) => {
        if (!life.power.isOn) return
        life.shutDown()
        life.comesBack = true
        scheduler.after(phase.off, () => life.boot())
      }
    case 'steady':
    case 'revoke':
    case 'suspend':
    case 'command':
      return undefined
  }
}

function lengthOf(phase: Phase): number {
  if ('for' in phase) return phase.for
  return 'over' in phase ? phase.over : 0
}
