import { MusterError } from '@muster/contracts'
import { judge, type RegistryRow } from '../admission/judge.ts'
import type { Registry } from '../admission/registry.ts'
import type { Session } from '../sessions/session.ts'
import type { Sessions } from '../sessions/sessions.ts'

const batchRows = 1_000

/** Judges live connections again, as if they had just come: all, or those of one device. Certificates that have expired meanwhile end here too. */
export async function recheckSessions(options: {
  registry: Registry
  sessions: Sessions
  now(): Date
  key?: string
  onRemoved(key: string, refusal: MusterError): void
}): Promise<void> {
  const { registry, sessions, now, onRemoved } = options
  const { key } = options
  const live = sessions.list().filter((session) => key === undefined || session.key === key)
  for (let start = 0; start < live.length; start += batchRows) {
    const batch = live.slice(start, start + batchRows)
    const rows = await registry.findAll(batch.map(({ peer }) => peer.serial))
    for (const session of batch) {
      if (session.removed) continue
      const refusal = findRefusal(session, rows.get(session.peer.serial), now())
      if (!refusal) continue
      await sessions.expel(session, refusal.code)
      onRemoved(session.key, refusal)
    }
  }
}

function findRefusal(session: Session, row: RegistryRow | undefined, now: Date): MusterError | undefined {
  try {
    const { standing } = judge(session.peer, row, now)
    if (standing !== 'late' || session.isLate) return undefined
    return new MusterError('certificate-expired', 'it may come back to renew its certificate')
  } catch (error) {
    if (error instanceof MusterError) return error
    throw error
  }
}
