import { setTimeout as sleep } from 'node:timers/promises'
import { silenceMs } from '../client/keep-alive.ts'
import type { Life } from '../life/life.ts'
import type { DeviceClass } from '../scenario/device-class.ts'
import type { Scenario } from '../scenario/schema.ts'
import type { Fleet } from './fleet.ts'
import { listOpen } from './list-open.ts'

const lookMs = 20
const hurryMs = 1_000
const mostMs = { acknowledged: 5_000, back: 20_000, closed: 5_000 }
/** Beyond the time in which a connection that was cut without a word is noticed. */
const returnMs = 15_000

/** Ends all devices, each saying how it is; answers what is still open although nothing should be. */
export async function finishFleet(fleet: Fleet, openBefore: readonly string[]): Promise<string[]> {
  const lives = [...fleet.lives.values()]
  // Step 1: nobody measures, nobody makes trouble.
  fleet.acting.abort()
  for (const life of lives) {
    for (const stream of life.streams) stream.stop()
    life.equipment.calm()
  }
  // Step 2: who is on and not connected shows now whether it can be.
  for (const life of lives) if (mayComeBack(life)) life.connectNow()
  const hurrying = setInterval(() => hurry(lives), hurryMs)
  await until(() => lives.every(isBack), mostMs.back)
  // Step 3: what is in flight is acknowledged, or sent again over another connection.
  const areThrough = () => lives.every((life) => isBack(life) && hasSaidAll(life))
  await until(areThrough, acknowledgedMs(lives))
  // Whoever has noticed only now that its connection is gone comes back like everybody else.
  await until(areThrough, mostMs.back)
  clearInterval(hurrying)
  for (const life of lives) tellEnd(life)
  // Step 4
  for (const life of lives) if (life.power.isOn) life.shutDown()
  fleet.living.abort()
  fleet.scheduler.clear()
  const left = () => without(listOpen(), openBefore)
  await until(() => left().length === 0, mostMs.closed)
  return left()
}

const isBack = (life: Life) => !mayComeBack(life) || life.isAtRest
const hasSaidAll = ({ link }: Life) => !link || link.unacknowledged === 0

/** Nobody who has only lost its connection waits for long now. */
function hurry(lives: readonly Life[]): void {
  for (const life of lives) if (mayComeBack(life) && !life.isAtRest) life.connectNow()
}

function acknowledgedMs(lives: readonly Life[]): number {
  const cut = lives.filter((life) => life.plan.class.network.disconnectEvery !== undefined && !hasSaidAll(life))
  return Math.max(mostMs.acknowledged, ...cut.map(({ plan }) => noticeMs(plan.class)))
}

/** Until messages are acknowledged although the connection was cut without a word. */
const noticeMs = ({ mqtt }: DeviceClass) => silenceMs(mqtt.keepAlive) + returnMs

/** No worker that is there takes longer. */
export function longestFinishMs({ devices }: Scenario): number {
  const slowest = Math.max(mostMs.acknowledged, ...Object.values(devices).map(noticeMs))
  return mostMs.back + slowest + mostMs.back + mostMs.closed
}

function mayComeBack(life: Life): boolean {
  if (life.state === 'connected') return false
  const isOver = life.told !== undefined && life.refusal !== undefined
  return (life.power.isOn || life.comesBack) && !isOver
}

function tellEnd(life: Life): void {
  for (const stream of life.streams) {
    stream.tellRange()
    stream.tellLast()
  }
  const code = life.refusal ?? life.failure
  life.see({
    saw: 'end',
    state: endOf(life),
    ...(life.state !== 'connected' && code !== undefined && { code }),
    ...(life.serial !== undefined && { serial: life.serial }),
  })
}

function endOf(life: Life): 'working' | 'refused' | 'off' | 'stuck' {
  if (life.state === 'connected') return 'working'
  if (life.refusal !== undefined || life.told !== undefined) return 'refused'
  return life.power.isOn || life.comesBack ? 'stuck' : 'off'
}

async function until(isSo: () => boolean, mostMs: number): Promise<void> {
  const end = performance.now() + mostMs
  while (!isSo() && performance.now() < end) await sleep(lookMs)
}

/** Each entry of `before` takes one of the same away. */
function without(now: readonly string[], before: readonly string[]): string[] {
  const left = [...now]
  for (const one of before) {
    const at = left.indexOf(one)
    if (at >= 0) left.splice(at, 1)
  }
  return left
}
