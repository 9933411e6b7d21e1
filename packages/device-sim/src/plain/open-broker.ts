import { MusterError } from '@muster/contracts'
import { createInvariants } from '../invariants/create-invariants.ts'
import { invariantNames } from '../invariants/invariant.ts'
import type { PlatformView } from '../run/platform-view.ts'
import type { Stage } from '../run/stage.ts'
import { watchInvariants } from '../run/watch-invariants.ts'
import type { Scenario } from '../scenario/schema.ts'
import type { ReadyBroker } from '../worker/messages.ts'
import { listIdentities } from './list-identities.ts'

interface BrokerOptions extends ReadyBroker {
  scenario: Scenario
  devices: number
}

/** What devices themselves saw is enough for these. */
const judged: readonly string[] = ['no-bricked-device']

/** Any broker behind mutual TLS, with certificates that are there. @throws MusterError where there are too few of them */
export async function openBroker({ url, ca, directory, scenario, devices }: BrokerOptions): Promise<Stage> {
  const found = (await listIdentities(directory)).length
  if (found < devices)
    throw new MusterError('request-invalid', `${directory} has ${found} certificates with keys, for ${devices} devices`)
  const invariants = createInvariants(scenario).filter(({ name }) => judged.includes(name))
  const watch = watchInvariants(invariants, nobody)
  return {
    url,
    platform: undefined,
    invariants: watch,
    equip: async () => () => ({ fleet: 'default', url, claims: {}, ready: { url, ca, directory } }),
    takeBack: async () => false,
    problems: () => [],
    skipped: invariantNames
      .filter((name) => !judged.includes(name))
      .map((name) => `${name} is not judged: it needs Muster`),
    [Symbol.asyncDispose]: () => watch[Symbol.asyncDispose](),
  }
}

async function* none() {}

/** A broker says nothing about its devices. */
const nobody: PlatformView = {
  fleet: 'default',
  devices: none,
  certificates: none,
  certificatesOf: async () => [],
  telemetry: none,
  refusals: none,
  claims: none,
  revocations: () => [],
  heard: () => new Map(),
}
