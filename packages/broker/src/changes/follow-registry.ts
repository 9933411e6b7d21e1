import { keepRefreshed } from '../admission/keep-refreshed.ts'
import type { KeptSnapshot } from '../admission/load-snapshot.ts'
import type { LookupRow, Registry } from '../admission/registry.ts'
import type { BrokerDeps } from '../broker.ts'
import type { Contact } from '../contact/contact.ts'
import type { Edge } from '../edge/edge.ts'
import type { Observer } from '../observer.ts'
import { heedRenewals } from '../renewal/heed.ts'
import type { Relay } from '../renewal/relay.ts'
import type { Rivals } from '../sessions/rivals.ts'
import type { Session } from '../sessions/session.ts'
import type { Sessions } from '../sessions/sessions.ts'
import { type Change, createActOnChanges, type Outcome } from './act-on-changes.ts'
import { createAnswerPreviews } from './answer-previews.ts'
import { applyPolicies } from './apply-policies.ts'
import { openChanges } from './changes.ts'
import { recheckSessions } from './recheck-sessions.ts'

export interface FollowOptions extends Pick<BrokerDeps, 'settings' | 'db' | 'now' | 'clock'> {
  contact: Contact
  snapshot: KeptSnapshot
  /** The registry's own word. */
  directory: Registry
  /** The registry, or what this node can vouch for. */
  registry: Registry
  sessions: Sessions
  edge: Pick<Edge, 'forgive' | 'forgivingAfter'>
  relay: Relay
  rivals: Pick<Rivals, 'settle'>
  observer: Observer
  onError(error: unknown): void
}

/** What happens in the registry reaches the connections that live here. */
export interface Following extends AsyncDisposable {
  /** Acts on everything that was missed while the registry was away. */
  startOver(): Promise<void>
  /** Resolves when every change that is committed now has been acted on. */
  catchUp(): Promise<void>
  /** Whom to trust has changed: nobody is vouched for, and everybody judged, by what was known before. */
  judgeAnew(): Promise<void>
}

export function followRegistry(options: FollowOptions): Following {
  const { settings, db, now, clock, contact, snapshot, directory, registry, sessions, edge, relay, rivals } = options
  const { observer, onError } = options
  const { node, databaseUrl: url, limits } = settings
  const opened = new AsyncDisposableStack()

  // A question between nodes that was lost is made up for here, and a row that nobody has corrected.
  const onUnlisted = (session: Session, { elsewhere, onClone }: LookupRow) =>
    elsewhere ? rivals.settle(session, elsewhere, onClone) : observer.present(session)
  const recheck = (one?: { key: string }) => {
    edge.forgive(one?.key)
    return recheckSessions({ registry, sessions, now, onRemoved: observer.removed, onUnlisted, ...one })
  }
  const onDone = edge.forgivingAfter((change: Change, outcome: Outcome) => {
    observer.changed(change, outcome)
    // What they leave in doubt is read again at once.
    if (change.kind === 'policy' || change.kind === 'group' || change.kind === 'resume') refreshing.hurry()
  })
  const act = createActOnChanges({
    ...{ db, node, sessions, snapshot, now, onDone },
    // What this node vouches for may be older than the change.
    applyPolicies: (change) => applyPolicies({ registry: directory, sessions, now }, change),
  })
  const answerPreviews = createAnswerPreviews({ db, node, list: sessions.list })
  const { pollMs, freshnessMs } = limits
  const changes = opened.use(
    openChanges({ url, clock, contact, act, answerPreviews, recheck: () => recheck(), onError, pollMs }),
  )
  const refreshing = opened.use(keepRefreshed({ snapshot, registry, contact, freshnessMs, onError }))
  const supersede = (one: { key: string }) => {
    snapshot.doubt(one)
    return recheck(one)
  }
  opened.use(heedRenewals({ url, node, relay, recheck: supersede, onError }))

  return {
    async startOver() {
      await changes.startOver()
      refreshing.hurry()
    },
    catchUp: changes.catchUp,
    async judgeAnew() {
      snapshot.doubt()
      refreshing.hurry()
      await recheck()
    },
    [Symbol.asyncDispose]: () => opened.disposeAsync(),
  }
}
