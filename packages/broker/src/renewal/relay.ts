import { type ErrorCode, MusterError, type Problem, problemType, renewalsChannel } from '@muster/contracts'
import { type Db, repeat } from '@muster/db'
import type { Limits } from '../limits.ts'
import type { Observer } from '../observer.ts'
import type { Session } from '../sessions/session.ts'

export interface RelayOptions {
  db: Db
  node: string
  limits: Pick<Limits, 'pollMs' | 'renewalEveryMs' | 'renewalWaitMs'>
  now(): Date
  observer: Pick<Observer, 'denied' | 'renewalAsked' | 'renewalAnswered'>
  onError(error: unknown): void
}

/** Carries renewals between devices and provisioners, and understands neither the question nor the answer. */
export interface Relay extends AsyncDisposable {
  /** Resolves when the request may be acknowledged: from then on the device gets an answer, a refusal at least. */
  request(session: Session, proof: Buffer): Promise<void>
  /** Looks for answers. */
  hurry(): void
}

const askText = `
  with added as (
    insert into renewal_requests (fleet, device, node, proof, at) values ($1, $2, $3, $4, $5) returning id
  )
  select id, pg_notify($6, id::text)::text from added`
const answersText = 'select id, answer from renewal_requests where id = any($1::bigint[]) and answered_at is not null'

const titles = {
  'rate-limited': { status: 429, title: 'Too many renewals' },
  unavailable: { status: 503, title: 'The renewal cannot be passed on now' },
} satisfies Partial<Record<ErrorCode, Pick<Problem, 'status' | 'title'>>>

export function openRelay({ db, node, limits, now, observer, onError }: RelayOptions): Relay {
  /** By the id of the request. */
  const waiting = new Map<string, { session: Session; until: number }>()
  /** By session key: a device that comes back has not been forgotten. */
  const askedAt = new Map<string, number>()

  function answer(session: Session, document: unknown) {
    session.transport.send(session.renewalTopics.response, JSON.stringify(document))
  }

  function refuse(session: Session, code: keyof typeof titles, detail: string) {
    const problem: Problem = { type: problemType(code), ...titles[code], detail, instance: node }
    answer(session, problem)
    observer.denied(session, new MusterError(code, detail))
  }

  async function deliver() {
    const ago = now().getTime() - limits.renewalEveryMs
    for (const [key, at] of askedAt) if (at <= ago) askedAt.delete(key)
    for (const [id, { session, until }] of waiting)
      if (session.removed || session.socket.destroyed || now().getTime() >= until) waiting.delete(id)
    if (waiting.size === 0) return
    const query = { name: 'renewal-answers', text: answersText, values: [[...waiting.keys()]] }
    const { rows } = await db.$client.query<{ id: string; answer: unknown }>(query)
    for (const row of rows) {
      const asking = waiting.get(row.id)
      waiting.delete(row.id)
      if (!asking) continue
      answer(asking.session, row.answer)
      observer.renewalAnswered(asking.session)
    }
  }

  const poll = repeat(deliver, { everyMs: limits.pollMs, onError })

  return {
    hurry: () => poll.hurry(),

    async request(session, proof) {
      const at = now()
      const since = at.getTime() - (askedAt.get(session.key) ?? Number.NEGATIVE_INFINITY)
      if (since < limits.renewalEveryMs)
        return refuse(session, 'rate-limited', `one renewal in ${limits.renewalEveryMs} ms`)
      askedAt.set(session.key, at.getTime())
      const { fleet, device } = session.peer.identity
      const values = [fleet, device, node, proof, at, renewalsChannel]
      try {
        const { rows } = await db.$client.query<{ id: string }>({ name: 'ask-renewal', text: askText, values })
        for (const { id } of rows) waiting.set(id, { session, until: at.getTime() + limits.renewalWaitMs })
        observer.renewalAsked(session)
        // The answer may have been told before its question was known here.
        poll.hurry()
      } catch (error) {
        onError(error)
        refuse(session, 'unavailable', 'the registry cannot be asked')
      }
    },

    [Symbol.asyncDispose]: () => poll[Symbol.asyncDispose](),
  }
}
