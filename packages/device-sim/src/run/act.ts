import { setTimeout as sleep } from 'node:timers/promises'
import { mayBeAbsent } from '../faults/expected.ts'
import { createLimit } from '../limit.ts'
import { changeDevice } from '../operator/change-device.ts'
import { isRefusal } from '../operator/patiently.ts'
import type { DevicePlan, PlannedTurn } from '../plan/device-plan.ts'
import { planDevice } from '../plan/plan-device.ts'
import { planTurns } from '../plan/plan-turns.ts'
import type { Phase } from '../scenario/phase.ts'
import type { Platform, RunContext } from './context.ts'

/** Requests to the API at once: an operator's script, not a flood. */
const concurrent = 4

interface Act {
  run: RunContext
  platform: Platform
  phase: number
  /** Epoch milliseconds. */
  zero: number
  signal: AbortSignal
}

/** What the operator does while a phase is played. Resolves when all of it is done. */
export async function act(run: RunContext, index: number, zero: number, signal: AbortSignal): Promise<void> {
  const phase = run.scenario.phases[index]
  if (!phase || !run.platform) return
  const acting: Act = { run, platform: run.platform, phase: index, zero, signal }
  if (phase.do === 'revoke') await revoke(acting, phase)
  if (phase.do === 'suspend') await suspend(acting, phase)
  if (phase.do === 'command') await command(acting, phase)
}

async function revoke(acting: Act, { reason }: Extract<Phase, { do: 'revoke' }>): Promise<void> {
  const { crew, following } = acting.run
  await takeTurns(acting, async ({ device }) => {
    crew.broadcast({ order: 'told', what: 'revoked', devices: [device] })
    following.expectRemoval(device)
    following.noteRemoval(device, await acting.platform.revocations.revoke(device, reason))
  })
}

async function suspend(acting: Act, phase: Extract<Phase, { do: 'suspend' }>): Promise<void> {
  const { run, platform, zero, signal } = acting
  const change = async (device: string, action: 'suspend' | 'resume') => {
    const what = action === 'suspend' ? 'suspended' : 'resumed'
    // One that is resumed may only be told so when it is: it comes back at once.
    if (action === 'suspend') run.crew.broadcast({ order: 'told', what, devices: [device] })
    await changeDevice(platform.operator, platform.fleet, device, action, signal)
    if (action === 'resume') run.crew.broadcast({ order: 'told', what, devices: [device] })
  }
  await takeTurns(acting, ({ device }) => change(device, 'suspend'))
  await sleepUntil(zero + phase.for, signal)
  await takeTurns({ ...acting, zero: Date.now() }, ({ device }) => change(device, 'resume'))
}

async function command(acting: Act, { within }: Extract<Phase, { do: 'command' }>): Promise<void> {
  const { run, platform, signal } = acting
  /** One for each command, although several may be for the same device. */
  const open = new Set<DevicePlan>()
  await takeTurns(acting, async (plan) => {
    if (!run.following.isConnected(plan.device)) return run.tally.count('command:device-absent', mayBeAbsent(plan))
    open.add(plan)
    await platform.commander.send(plan.device, (ms) => {
      open.delete(plan)
      run.tally.record('command', ms)
    })
  })
  for (const until = Date.now() + within; open.size > 0 && Date.now() < until; ) await sleep(50, undefined, { signal })
  for (const plan of open) run.tally.count('command:unanswered', mayBeAbsent(plan))
}

/** Each turn when it is due. What the platform refuses is counted, and goes no further. */
async function takeTurns(acting: Act, take: (plan: DevicePlan) => Promise<void>): Promise<void> {
  const { run, phase, zero, signal } = acting
  const whenFree = createLimit(concurrent)
  const doing = run.scenario.phases[phase]?.do ?? ''
  const turns: Promise<void>[] = []
  const one = async ({ index }: PlannedTurn) => {
    const plan = planDevice(run.scenario, run.prefix, index)
    try {
      await take(plan)
    } catch (error) {
      if (!isRefusal(error)) throw error
      // One that has never got in, for a fault of its own, is not there to be revoked.
      run.tally.count(`${doing}:${error.code}`, error.code === 'device-not-found' && mayBeAbsent(plan))
    }
  }
  for (const turn of planTurns(run.scenario, phase)) {
    await sleepUntil(zero + turn.atMs, signal)
    const taken = whenFree(() => one(turn))
    // It is waited for below, unless waiting for the next turn is given up.
    taken.catch(() => undefined)
    turns.push(taken)
  }
  await Promise.all(turns)
}

export async function sleepUntil(at: number, signal: AbortSignal): Promise<void> {
  signal.throwIfAborted()
  const ms = at - Date.now()
  if (ms > 0) await sleep(ms, undefined, { signal }).catch(() => signal.throwIfAborted())
}
