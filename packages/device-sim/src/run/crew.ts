import type { Order, Report } from '../worker/messages.ts'
import type { WorkerLink } from './worker-link.ts'

type ReportOf<Kind extends Report['report']> = Extract<Report, { report: Kind }>

interface Member {
  link: WorkerLink
  ready: PromiseWithResolvers<ReportOf<'ready'>>
  finished: PromiseWithResolvers<ReportOf<'finished'>>
  phases: Map<number, PromiseWithResolvers<void>>
  through: Set<number>
  isStopping: boolean
}

interface Hearing {
  onTick(worker: string, tick: ReportOf<'tick'>): void
  onObserved(observations: ReportOf<'observed'>['observations']): void
}

/** All workers of a run. One that fails, or ends too early, fails every wait. */
export type Crew = ReturnType<typeof gatherCrew>

export function gatherCrew(links: readonly WorkerLink[], hearing: Hearing) {
  const failure = new AbortController()
  const members = links.map((link): Member => {
    const member = {
      link,
      ready: promise<ReportOf<'ready'>>(),
      finished: promise<ReportOf<'finished'>>(),
      phases: new Map(),
      through: new Set<number>(),
      isStopping: false,
    }
    const fail = (what: string) => failure.abort(new Error(`worker ${link.name} ${what}`))
    link.listen((report) => hear(member, report, hearing, fail))
    void link.ended.then((what) => member.isStopping || fail(what))
    return member
  })

  const all = async <Value>(waits: Promise<Value>[], signal: AbortSignal): Promise<Value[]> => {
    const any = AbortSignal.any([signal, failure.signal])
    any.throwIfAborted()
    const { promise: aborted, reject } = promise<never>()
    const onAbort = () => reject(any.reason)
    any.addEventListener('abort', onAbort, { once: true })
    try {
      return await Promise.race([Promise.all(waits), aborted])
    } finally {
      any.removeEventListener('abort', onAbort)
    }
  }
  const broadcast = (order: Order) => {
    for (const { link } of members) link.send(order)
  }

  return {
    /** Aborted when a worker has failed; the reason says which, and what it said. */
    failure: failure.signal,
    broadcast,
    names: members.map(({ link }) => link.name),
    send: (index: number, order: Order) => members[index]?.link.send(order),
    ready: (signal: AbortSignal) =>
      all(
        members.map(({ ready }) => ready.promise),
        signal,
      ),

    /** Resolves when every worker is through with the phase. */
    phaseDone: (index: number, signal: AbortSignal) =>
      all(
        members.map(({ phases }) => phaseOf(phases, index).promise),
        signal,
      ),

    /** Those that are not through with it yet. */
    lagging: (index: number) => members.filter(({ through }) => !through.has(index)).map(({ link }) => link.name),

    finished: (signal: AbortSignal) =>
      all(
        members.map(({ finished }) => finished.promise),
        signal,
      ),

    stop(): void {
      for (const member of members) member.isStopping = true
      broadcast({ order: 'stop' })
    },
  }
}

function hear(member: Member, report: Report, hearing: Hearing, fail: (what: string) => void): void {
  if (report.report === 'ready') member.ready.resolve(report)
  if (report.report === 'tick') hearing.onTick(member.link.name, report)
  if (report.report === 'observed') hearing.onObserved(report.observations)
  if (report.report === 'finished') member.finished.resolve(report)
  if (report.report === 'failed') fail(`has failed: ${report.error}`)
  if (report.report !== 'phase-done') return
  member.through.add(report.index)
  phaseOf(member.phases, report.index).resolve()
}

function phaseOf(phases: Member['phases'], index: number): PromiseWithResolvers<void> {
  const known = phases.get(index) ?? promise<void>()
  phases.set(index, known)
  return known
}

function promise<Value>(): PromiseWithResolvers<Value> {
  const resolvers = Promise.withResolvers<Value>()
  // One that nobody waits for any more must not end the process.
  resolvers.promise.catch(() => undefined)
  return resolvers
}
