import { describe, expect, test } from 'vitest'
import type { Observation } from '../observations.ts'
import type { CertificateRecord, PlatformView, RefusalRecord, StoredMessage } from '../run/platform-view.ts'
import { Scenario } from '../scenario/schema.ts'
import { createInvariants } from './create-invariants.ts'
import type { InvariantName } from './invariant.ts'

export const start = 1_800_000_000_000
const hour = 3_600_000
export const device = 'sim-a-thing-00001'
export const topic = `fleets/f/devices/${device}/telemetry/environment`

/** Without the device and with the time in milliseconds from the start. */
type Seen = Observation extends infer One ? (One extends Observation ? Omit<One, 'device' | 'at'> : never) : never
export type Told = Seen & { device?: string; after?: number }

/** What the platform answers; what is left out is as it should be after `happy`. */
interface Answers {
  devices?: { id?: string; state?: string; connected?: boolean; sessionEndsAt?: number }[]
  claims?: { id: string; left: number }[]
  certificates?: Partial<CertificateRecord>[]
  telemetry?: Partial<StoredMessage>[]
  refusals?: Partial<RefusalRecord>[]
  revocations?: { completeAt?: number | undefined; askedAt?: number }[]
  heard?: [string, { topic: string; at: number }][]
}

interface Run {
  told: Told[]
  answers?: Answers
  phases?: object[]
  thing?: object
  leftovers?: string[]
  /** The platform is asked after so many of what was told, too. */
  looks?: boolean
  /** After that. */
  toldLater?: Told[]
  /** What the platform answers when the run has taken back what it had made. */
  cleared?: Answers
}

export const acknowledged = (from: number, to: number): Told => ({ saw: 'acknowledged', topic, from, to })
export const refused = (doing: 'enrol' | 'connect' | 'publish' | 'subscribe', code: string): Told => ({
  saw: 'refused',
  doing,
  code,
})
export const certificate = (serial: string, by: 'enrol' | 'renew' = 'enrol'): Told => ({
  ...{ saw: 'certificate', serial, by },
  notAfter: start + hour,
})
export const connected = (serial: string, more: object = {}): Told => ({
  saw: 'connected',
  serial,
  resumed: false,
  ...more,
})
export const end = (state: 'working' | 'refused' | 'off' | 'stuck', code?: string): Told => ({
  ...{ saw: 'end', state, serial: 's1' },
  ...(code === undefined ? {} : { code }),
})
export const happy: Told[] = [certificate('s1'), connected('s1'), acknowledged(1, 3), { saw: 'sent', topic, last: 3 }]
export const working = [...happy, end('working')]
export const stored = (...numbers: number[]) => numbers.map((n) => ({ n }))

function answer(given: Answers): PlatformView {
  async function* each<Item>(items: Item[]) {
    yield* items
  }
  const held = (given.certificates ?? [{}]).map((one) => ({
    ...{ serial: 's1', device, state: 'active', notAfter: start + hour },
    ...one,
  }))
  return {
    fleet: 'f',
    devices: () =>
      each(
        (given.devices ?? [{}]).map((one) => ({
          ...{ id: device, state: 'active', connected: false, sessionEndsAt: undefined },
          ...one,
        })),
      ),
    claims: () => each(given.claims ?? []),
    certificates: () => each(held),
    certificatesOf: async (id) => held.filter((one) => one.device === id),
    telemetry: () =>
      each(
        (given.telemetry ?? stored(1, 2, 3)).map((one) => ({
          ...{ device, topic, n: undefined, receivedAt: start, duplicate: false },
          ...one,
        })),
      ),
    refusals: () =>
      each((given.refusals ?? []).map((one) => ({ device, code: 'x', count: 1, advice: 'Look.', ...one }))),
    revocations: () =>
      (given.revocations ?? []).map((one) => ({
        device,
        revocation: '1',
        askedAt: start,
        completeAt: start + 100,
        ...one,
      })),
    heard: () => new Map(given.heard ?? []),
  }
}

/** The names of those that have not held. */
export async function broken({
  told,
  answers = {},
  phases = [],
  thing = {},
  leftovers = [],
  looks,
  toldLater = [],
  cleared,
}: Run): Promise<InvariantName[]> {
  const scenario = Scenario.parse({
    ...{ name: 'by-hand', title: 'By hand' },
    devices: { thing: { count: 1, telemetry: [{ every: '1s' }], ...thing } },
    phases: [{ do: 'boot', over: '1s' }, ...phases],
  })
  // It has been quiet for long when the platform is asked.
  let clock = start
  const invariants = createInvariants(scenario, { now: () => clock, patienceMs: 0 })
  const platform = answer(answers)
  const observe = ({ device: id = device, after: _, ...seen }: Told) => {
    for (const invariant of invariants) invariant.observe({ device: id, at: clock, ...seen } as Observation)
  }
  for (const one of told) {
    clock = start + (one.after ?? 0)
    observe(one)
  }
  clock += 20_000
  if (looks) for (const invariant of invariants) await invariant.look?.(platform)
  for (const one of toldLater) observe(one)
  for (const invariant of invariants) await invariant.conclude(platform, leftovers)
  if (cleared) for (const invariant of invariants) await invariant.inspect?.(answer(cleared))
  return invariants.map((one) => one.verdict()).flatMap(({ held, name }) => (held ? [] : [name]))
}

type Row = [what: string, run: Run, held?: 'holds']
/** Each run breaks the one invariant, or none where the row says so; the others hold in any case. */
export function judge(name: InvariantName, rows: Row[]) {
  describe(name, () => {
    test.each(rows)('%s', async (_, run, holds) => expect(await broken(run)).toEqual(holds ? [] : [name]))
  })
}
