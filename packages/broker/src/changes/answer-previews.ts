import { compilePolicy, openRenewalTopics, type PreviewAnswer, Proposal, previewedDevices } from '@muster/contracts'
import type { Db } from '@muster/db'
import { divideFilters, isSamePolicy } from '../sessions/apply-policy.ts'
import type { Session } from '../sessions/session.ts'

const openText = `
  select p.id, p.proposal from previews p
  where not exists (select from preview_answers a where a.preview = p.id and a.node = $1)`
// Whoever asked may have given up meanwhile.
const answerText = `
  insert into preview_answers (preview, node, answer)
  select id, $2, $3::jsonb from previews where id = $1 on conflict do nothing`

/** Tells what changes would cut that somebody thinks of; touches nothing. */
export function createAnswerPreviews({ db, node, list }: { db: Db; node: string; list(): Session[] }) {
  return async function answerPreviews(): Promise<void> {
    const { rows } = await db.$client.query<{ id: string; proposal: unknown }>(openText, [node])
    for (const { id, proposal } of rows) {
      const answer = JSON.stringify(countLosses(list(), Proposal.parse(proposal)))
      await db.$client.query(answerText, [id, node, answer])
    }
  }
}

export function countLosses(sessions: readonly Session[], proposal: Proposal): PreviewAnswer {
  const answer: PreviewAnswer = { sessions: 0, devices: 0, subscriptions: 0, first: [] }
  for (const session of sessions) {
    if (!isReached(session, proposal)) continue
    const { identity, serial } = session.peer
    const { document, source } = proposal.becomes[identity.profile === 'device' ? 'device' : 'service']
    const holder = { ...identity, serial, group: proposal.moveTo ?? session.policy.group }
    const policy = openRenewalTopics(compilePolicy(document, holder, source), holder)
    if (isSamePolicy(session.policy, policy)) continue
    answer.sessions += 1
    const { lost } = divideFilters(session, policy)
    if (lost.length === 0) continue
    answer.devices += 1
    answer.subscriptions += lost.length
    if (answer.first.length < previewedDevices) answer.first.push({ device: identity.device, filters: lost })
  }
  return answer
}

function isReached(session: Session, { fleet, device, group, policy, levels }: Proposal): boolean {
  const { identity } = session.peer
  const { source } = session.policy
  return (
    session.isAdmitted &&
    !session.isLate &&
    !session.removed &&
    !session.socket.destroyed &&
    identity.fleet === fleet &&
    (device === null || identity.device === device) &&
    (group === null || session.policy.group === group) &&
    (policy === null || source.name === policy) &&
    levels.includes(source.attachedTo)
  )
}
