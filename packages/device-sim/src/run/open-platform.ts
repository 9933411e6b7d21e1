import type { ProfileName } from '@muster/contracts'
import { createInvariants } from '../invariants/create-invariants.ts'
import { cleanUp } from '../operator/clean-up.ts'
import { createClaims } from '../operator/create-claims.ts'
import type { OperatorApi } from '../operator/operator-api.ts'
import { watchRevocations } from '../operator/revoke.ts'
import { openCommander } from '../operator/send-commands.ts'
import { openService } from '../operator/service.ts'
import type { Scenario } from '../scenario/schema.ts'
import { openPlatformView } from './open-platform-view.ts'
import { requireShortLives } from './require-short-lives.ts'
import type { Stage } from './stage.ts'
import { watchInvariants } from './watch-invariants.ts'
import { describeOutage, watchPlatform } from './watch-platform.ts'

interface PlatformOptions {
  operator: OperatorApi
  fleet: string
  scenario: Scenario
  run: string
  prefix: string
  devices: number
  /** What the run has made stays. */
  keep?: boolean
  signal: AbortSignal
  onNotice(line: string): void
}

const cleanUpMs = 600_000

/** Makes what a run needs on the platform. Disposing of it takes all of that back, and what its devices have made. */
export async function openPlatform(options: PlatformOptions): Promise<Stage> {
  const { operator, fleet, run, prefix, scenario, devices, keep = false, signal, onNotice } = options
  await using opened = new AsyncDisposableStack()
  const claimIds: string[] = []
  const watch = watchPlatform(operator, (outage) => onNotice(describeOutage(outage)))
  let hasMade = false
  let hasFailed = false
  async function takeBack(...profiles: ProfileName[]): Promise<boolean> {
    if (keep || !hasMade || hasFailed) return false
    const isAway = watch.outages.length > 0 && watch.outages.at(-1)?.to === undefined
    const leavings = {
      operator,
      fleet,
      prefix,
      profiles,
      claims: claimIds.splice(0),
      signal: AbortSignal.timeout(cleanUpMs),
    }
    const taking = isAway ? Promise.reject('the platform does not answer') : cleanUp(leavings)
    await taking.catch((error: unknown) => {
      hasFailed = true
      onNotice(`devices ${prefix}-… stay: ${error}`)
    })
    return !hasFailed
  }
  opened.defer(async () => void (await takeBack('device', 'service')))
  opened.use(watch)
  const service = opened.use(await openService({ operator, fleet, name: `${prefix}-operator`, signal }))
  hasMade = true
  requireShortLives(scenario, service.certificateLifeMs)
  const commander = await openCommander(service, prefix)
  const revocations = opened.use(watchRevocations(operator, fleet, signal))
  const view = opened.use(
    await openPlatformView({
      ...{ operator, fleet, prefix, run },
      // All that the fleet publishes, sent once more: only where somebody may not be heard any more.
      service: scenario.phases.some((phase) => phase.do === 'revoke') ? service : { listen: async () => undefined },
      revocations: () => revocations.records,
    }),
  )
  const invariants = opened.use(watchInvariants(createInvariants(scenario), view))
  const closing = opened.move()
  return {
    url: operator.url,
    platform: { operator, fleet, service, commander, revocations },
    invariants,
    async equip() {
      const onCreated = (id: string) => claimIds.push(id)
      const claims = await createClaims({ operator, scenario, fleet, prefix, devices, signal, onCreated })
      return (from, to) => ({ fleet, url: operator.url, claims: claims.of(from, to) })
    },
    takeBack: () => takeBack('device'),
    problems: () => watch.outages.map(describeOutage),
    skipped: [],
    [Symbol.asyncDispose]: () => closing.disposeAsync(),
  }
}
