import { MusterError } from '@muster/contracts'
import { judge } from '../admission/judge.ts'
import type { Registry } from '../admission/registry.ts'
import type { Sessions } from '../sessions/sessions.ts'

const batchRows = 1_000

/** Judges every live connection again, as if it had just come. Certificates that have expired meanwhile end here too. */
export async function recheckSessions(options: {
  registry: Registry
  sessions: Sessions
  now(): Date
  onRemoved(key: string, refusal: MusterError): void
}): Promise<void> {
  const { registry, sessions, now, onRemoved } = options
  const live = sessions.list()
  for (let start = 0; start < live.length; start += batchRows) {
    const batch = live.slice(start, start + batchRows)
    const rows = await registry.findAll(batch.map(({ peer }) => peer.serial))
    for (const { key, peer, removed } of batch) {
      if (removed) continue
      try {
        judge(peer, rows.get(peer.serial), now())
      } catch (error) {
        if (!(error instanceof MusterError)) throw error
        await sessions.remove(key, { reason: error.code, purge: false })
        onRemoved(key, error)
      }
    }
  }
}
