import { type CloneAction, MusterError, sessionKey } from '@muster/contracts'
import type { LookupRow } from '../admission/registry.ts'
import { whoIs } from '../admission/who.ts'
import { reasonCodes } from '../mqtt/reason-codes.ts'
import { type Answer, Letter, type Question } from '../nodes/letter.ts'
import type { Mail } from '../nodes/mail.ts'
import { createQuestions } from '../nodes/questions.ts'
import type { Observer } from '../observer.ts'
import { type Clones, cloned, type Finding } from './clones.ts'
import type { Place, Session } from './session.ts'
import type { Sessions } from './sessions.ts'

/** Of the connections of a device one stays, at whichever nodes they are. */
export interface Rivals {
  /**
   * Whether a connection that is about to be admitted may take over from those that are there.
   * @throws MusterError `certificate-cloned`: it may not
   */
  face(newcomer: Session, row: LookupRow | undefined): Promise<void>
  /** An admitted connection, and the registry says that the device is somewhere else. */
  settle(session: Session, elsewhere: Place, action: CloneAction): void
  /** A letter of another node. */
  receive(sender: string, letter: unknown): void
}

export interface RivalsOptions {
  node: string
  sessions: Pick<Sessions, 'olderThan' | 'leave' | 'live'>
  clones: Clones
  mail: Pick<Mail, 'post'>
  /** How long a newcomer waits for another node's answer. */
  waitMs: number
  /** Shuts the device out, as an operator would. */
  suspend(serial: string, why: string): Promise<unknown>
  observer: Pick<Observer, 'refused' | 'present' | 'answered'>
  onError(error: unknown): void
}

/** Until a question is asked again that the database did not take. */
const retryMs = 1_000
const takenOver = 'a newer connection took over'

/**
 * The node of the older connection asks it, decides, and closes it or has the newer one closed: one decision for each pair,
 * so that one of the two stays. Which is the older the registry's row says, or, where both have come, their times.
 */
export function createRivals(options: RivalsOptions): Rivals {
  const { node, sessions, clones, mail, waitMs, suspend, observer, onError } = options
  const questions = createQuestions({ mail, waitMs })
  /** Whose question is under way. */
  const asking = new WeakSet<Session>()

  async function ask(session: Session, elsewhere: Place, action: CloneAction): Promise<Answer | undefined> {
    const { identity, fingerprint } = session.peer
    const { fleet, device } = identity
    const { address, connectedAt = null } = session
    const { node: there, since } = elsewhere
    asking.add(session)
    const answer = await questions
      .ask(there, { fleet, device, fingerprint, address, action, connectedAt, since })
      .finally(() => asking.delete(session))
    observer.answered(answer?.outcome ?? 'none')
    if (answer?.quarrel) {
      clones.adopt(fingerprint, answer.quarrel)
      session.isDisputed = answer.quarrel.waitMs > 0
    }
    if (answer?.outcome === 'free') session.settled = elsewhere
    return answer
  }

  /** @throws MusterError `certificate-cloned` */
  async function obey(newcomer: Session, { outcome, why }: Finding | Answer) {
    if (outcome === 'kept') throw cloned(why)
    if (outcome !== 'suspend') return
    // It is refused in any case: the suspension must not close it before it is told so.
    sessions.leave(newcomer)
    await suspend(newcomer.peer.serial, why)
    throw cloned(`${why}; the device is suspended`)
  }

  /** The same for a connection that has been let in meanwhile. */
  async function conclude(session: Session, answer: Answer | undefined) {
    if (!answer || session.removed || session.socket.destroyed) return
    const { outcome, why } = answer
    // Told again, the registry has the next one, should there be three.
    if (outcome === 'free' || outcome === 'older') return observer.present(session)
    if (outcome === 'suspend') await suspend(session.peer.serial, why)
    const refusal = cloned(outcome === 'suspend' ? `${why}; the device is suspended` : why)
    observer.refused(refusal, whoIs(session.peer), session.address)
    if (outcome === 'kept') session.transport.end(reasonCodes.notAuthorized, `${refusal.code}: ${why}`)
  }

  function settle(session: Session, elsewhere: Place, action: CloneAction) {
    if (asking.has(session) || session.removed || session.socket.destroyed) return
    ask(session, elsewhere, action)
      .then((answer) => conclude(session, answer))
      .catch((error: unknown) => {
        if (!isUnavailable(error)) onError(error)
        // The registry knows already that the device is here, and will not mention the other node again.
        setTimeout(settle, retryMs, session, elsewhere, action).unref()
      })
  }

  /** Whether a connection that is here came after the one that another node asks about. */
  function isLater({ connectedAt: at = 0 }: Session, question: Question, sender: string): boolean {
    // By the clock of this node alone: the sender read it before it asked.
    if (question.connectedAt === null) return question.since !== null && at > question.since
    return at > question.connectedAt || (at === question.connectedAt && node > sender)
  }

  async function decide(sender: string, question: Question): Promise<Finding | { outcome: 'older'; why: string }> {
    const { fingerprint, connectedAt, action } = question
    const key = sessionKey(question)
    const live = sessions.live(key)
    const holder = live.findLast(({ peer }) => peer.fingerprint === fingerprint) ?? live.at(-1)
    if (!holder) return { outcome: 'free', why: '' }
    const there = { node: sender, since: connectedAt }
    if (isLater(holder, question, sender)) {
      settle(holder, there, action)
      return { outcome: 'older', why: '' }
    }
    const finding = await clones.examine(holder, question, action)
    if (finding.outcome === 'free') {
      for (const older of sessions.live(key))
        if (!isLater(older, question, sender)) older.transport.end(reasonCodes.sessionTakenOver, takenOver)
    } else if (connectedAt !== null) {
      // The other one had told the registry that the device is there.
      holder.settled = there
      observer.present(holder)
    }
    return finding
  }

  return {
    async face(newcomer, row) {
      const action = row?.onClone ?? 'keep-newest'
      const { fingerprint } = newcomer.peer
      const { address } = newcomer
      const isOlder = (older: Session) => older.peer.fingerprint === fingerprint && isServed(older)
      const holder = sessions.olderThan(newcomer).findLast(isOlder)
      if (holder) await obey(newcomer, await clones.examine(holder, { fingerprint, address }, action))
      if (!row?.elsewhere || asking.has(newcomer) || newcomer.socket.destroyed) return
      // Without the database it is let in: the node is asked when this one tells the registry that the device is here.
      const answer = ask(newcomer, row.elsewhere, action).catch(() => undefined)
      const soon = await questions.soon(row.elsewhere.node, answer)
      if (soon !== 'late') return soon && obey(newcomer, soon)
      observer.answered('late')
      answer.then((late) => conclude(newcomer, late)).catch(onError)
    },

    settle,

    receive(sender, letter) {
      const read = Letter.safeParse(letter)
      if (!read.success)
        return onError(new MusterError('internal', `a letter of ${sender} cannot be read`, { cause: read.error }))
      const { data } = read
      questions.heard(sender)
      if (data.kind === 'answer') return questions.answered(sender, data)
      decide(sender, data)
        .then((finding) => mail.post(sender, { kind: 'answer', to: data.id, ...finding } satisfies Answer))
        .catch(onError)
    },
  }
}

const isServed = ({ isAdmitted, removed, socket }: Session) => isAdmitted && !removed && !socket.destroyed

const isUnavailable = (error: unknown) => error instanceof MusterError && error.code === 'unavailable'
