import { invariantNames, parseScenario, type RunReport, runScenario, startLocalWorker } from '@muster/device-sim'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { broken } from './broken/breakage.ts'
import { type PlatformFault, platformFaults } from './broken/faults.ts'
import { operatorOf } from './harness/operator.ts'
import { type Stack, startStack } from './harness/stack.ts'

const { scenario, yaml } = parseScenario(
  JSON.stringify({
    name: 'invariants',
    title: 'Something to judge for each of them, in a few seconds',
    devices: {
      forgetful: {
        ...{ count: 2, claim: 'each', telemetry: [{ every: '200ms' }] },
        faults: [{ do: 'lose-answer', to: 'enrol' }],
      },
      renewing: { count: 2, telemetry: [{ every: '200ms' }] },
      stolen: { count: 2, telemetry: [{ every: '100ms' }], faults: [{ do: 'hammer', every: '200ms' }] },
      curious: { count: 1, faults: [{ do: 'trespass', every: '300ms' }] },
    },
    phases: [
      { do: 'boot', over: '500ms' },
      { do: 'renew', of: ['renewing'], over: '500ms' },
      { do: 'revoke', of: ['stolen'], over: '200ms' },
      { do: 'steady', for: '3s' },
    ],
  }),
)

const play = (stack: Stack): Promise<RunReport> =>
  runScenario({
    ...{ scenario, yaml, on: { operator: operatorOf(stack), fleet: 'default', keep: true } },
    recruit: async () => [startLocalWorker('worker')],
    signal: AbortSignal.timeout(60_000),
  })

const none: PlatformFault = { what: 'nothing', invariant: undefined, role: 'provisioner', breakages: [] }

/** One process after the other is broken, on one platform. */
async function playBroken(faults: readonly PlatformFault[], note: (what: string, report: RunReport) => void) {
  const [first = none] = faults
  await using stack = await startStack({ extra: { [first.role]: broken(...first.breakages) } })
  for (const fault of faults) {
    const { what, role, breakages } = fault
    if (fault !== first) {
      await stack.process(role)[Symbol.asyncDispose]()
      await stack.start(role, broken(...breakages))
    }
    const report = await play(stack)
    expect(stack.process(role).output().split('broken on purpose')).toHaveLength(breakages.length + 1)
    note(what, report)
  }
}

const inBroker = platformFaults.filter(({ role }) => role === 'broker')
/** Side by side: most of a run is waiting. */
const lanes = [
  [none, ...platformFaults.filter(({ role }) => role === 'provisioner')],
  inBroker.filter((_, index) => index % 2 === 0),
  inBroker.filter((_, index) => index % 2 === 1),
]
const reports = new Map([none, ...platformFaults].map(({ what }) => [what, Promise.withResolvers<RunReport>()]))
const reportOf = async (what: string) => {
  const report = await reports.get(what)?.promise
  if (!report) throw new Error(`${what} was not played`)
  return report
}

let playing: Promise<unknown> | undefined
beforeAll(() => {
  // Each test waits for its own.
  for (const { promise } of reports.values()) promise.catch(() => undefined)
  const playLane = (lane: PlatformFault[]) =>
    playBroken(lane, (what, report) => reports.get(what)?.resolve(report)).catch((error: unknown) => {
      for (const { what } of lane) reports.get(what)?.reject(error)
    })
  playing = Promise.all(lanes.map(playLane))
})
afterAll(() => playing, 60_000)

const patience = { timeout: 180_000 }

test('a platform as it is passes, and each invariant has judged something', patience, async () => {
  const { verdict, invariants } = await reportOf(none.what)
  expect(verdict).toEqual({ passed: true, reasons: [] })
  expect(invariants.filter(({ checked }) => checked > 0).map(({ name }) => name)).toEqual(invariantNames)
})

describe('a platform that is broken in one place fails the one promise', () => {
  test.each(platformFaults)('$invariant: $what', patience, async ({ what, invariant }) => {
    const { invariants, verdict } = await reportOf(what)
    const violated = invariants.filter(({ held }) => !held).map(({ name }) => name)
    expect(violated, verdict.reasons.join('\n')).toEqual([invariant])
    expect(verdict.passed).toBe(false)
    expect(verdict.reasons.join()).toContain(invariant)
  })

  test('and each has been broken', () => {
    expect(new Set(platformFaults.map(({ invariant }) => invariant))).toEqual(new Set(invariantNames))
  })
})
