import { setTimeout as sleep } from 'node:timers/promises'
import { AcceptedRevocation, Revocation, type RevocationReason } from '@muster/contracts'
import type { RevocationRecord } from '../run/platform-view.ts'
import { devicePath } from './device-path.ts'
import type { OperatorApi } from './operator-api.ts'
import { patiently } from './patiently.ts'

const pollMs = 250

export interface Revocations extends AsyncDisposable {
  readonly records: readonly RevocationRecord[]
  /** @returns when the API had answered, epoch milliseconds */
  revoke(device: string, reason: RevocationReason): Promise<number>
  /** Until every receipt is there, or for so long. */
  settle(withinMs: number): Promise<void>
}

/** Revokes, and asks for the receipts until all are there. */
export function watchRevocations(operator: OperatorApi, fleet: string, signal: AbortSignal): Revocations {
  const records: RevocationRecord[] = []
  const ending = new AbortController()
  const open = new Set<RevocationRecord>()
  const polling = poll()

  async function poll(): Promise<void> {
    while (!ending.signal.aborted) {
      for (const record of open) {
        // A platform that does not answer now is asked again.
        const found = await operator.get(`/v1/revocations/${record.revocation}`, Revocation).catch(() => undefined)
        if (ending.signal.aborted) return
        if (!found?.complete) continue
        record.completeAt = Math.max(Date.parse(found.at), ...found.nodes.map(({ at }) => Date.parse(at)))
        open.delete(record)
      }
      await sleep(pollMs, undefined, { signal: ending.signal }).catch(() => undefined)
    }
  }

  return {
    records,
    async revoke(device, reason) {
      const ask = () => operator.post(`${devicePath(device)}/revoke`, { reason }, AcceptedRevocation, { fleet })
      const { revocation } = await patiently(signal, ask)
      const record = { device, revocation, askedAt: Date.now(), completeAt: undefined }
      records.push(record)
      open.add(record)
      return record.askedAt
    },
    async settle(withinMs) {
      for (const until = performance.now() + withinMs; open.size > 0 && performance.now() < until; ) await sleep(50)
    },
    async [Symbol.asyncDispose]() {
      ending.abort()
      await polling
    },
  }
}
