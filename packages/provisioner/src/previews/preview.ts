import { setTimeout as sleep } from 'node:timers/promises'
import { type Preview, PreviewAnswer, type PreviewRequest, previewedDevices, previewsChannel } from '@muster/contracts'
import { type Db, nodes, previewAnswers, previews } from '@muster/db'
import { and, eq, gt, isNull, lt, sql } from 'drizzle-orm'
import type { Context } from '../context.ts'
import { propose } from './propose.ts'

const patienceMs = 5_000
const askAgainMs = 20
const leftoverMs = 60_000

/** Asks every broker node what a change would cut; nothing is changed. */
export async function previewChange(
  { db, now }: Pick<Context, 'db' | 'now'>,
  fleet: string,
  request: PreviewRequest,
): Promise<Preview> {
  const proposal = await propose(db, fleet, request)
  const at = now()
  const id = await db.transaction(async (tx) => {
    // Of a provisioner that ended half-way.
    await tx.delete(previews).where(lt(previews.at, new Date(at.getTime() - leftoverMs)))
    const [row] = await tx.insert(previews).values({ proposal, at }).returning({ id: previews.id })
    if (!row) throw new Error('the preview has no number')
    await tx.execute(sql`select pg_notify(${previewsChannel}, ${String(row.id)})`)
    return row.id
  })
  try {
    return await collectAnswers(db, id, now)
  } finally {
    await db.delete(previews).where(eq(previews.id, id))
  }
}

async function collectAnswers(db: Db, id: number, now: () => Date): Promise<Preview> {
  const live = await db
    .select({ name: nodes.name })
    .from(nodes)
    .where(and(isNull(nodes.leftAt), gt(nodes.leaseUntil, now())))
  for (const until = performance.now() + patienceMs; ; await sleep(askAgainMs)) {
    const rows = await db.select().from(previewAnswers).where(eq(previewAnswers.preview, id))
    const missing = live.map(({ name }) => name).filter((name) => rows.every(({ node }) => node !== name))
    if (missing.length > 0 && performance.now() < until) continue
    return { ...sum(rows.map(({ answer }) => PreviewAnswer.parse(answer))), missing }
  }
}

function sum(answers: readonly PreviewAnswer[]): PreviewAnswer {
  const total = (field: 'sessions' | 'devices' | 'subscriptions') =>
    answers.reduce((count, answer) => count + answer[field], 0)
  const first = answers.flatMap((answer) => answer.first).slice(0, previewedDevices)
  return { sessions: total('sessions'), devices: total('devices'), subscriptions: total('subscriptions'), first }
}
