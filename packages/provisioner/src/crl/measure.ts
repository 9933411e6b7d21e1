import type { Metrics } from '../metrics.ts'
import type { CrlRow } from './publish.ts'

export function measureCrls(metrics: Metrics, rows: readonly CrlRow[]): void {
  for (const { issuer, shard, kind, thisUpdate, nextUpdate, bytes, entries } of rows) {
    const labels = { issuer, shard: String(shard), kind }
    metrics.crlThisUpdate.set(labels, thisUpdate.getTime() / 1_000)
    metrics.crlNextUpdate.set(labels, nextUpdate.getTime() / 1_000)
    metrics.crlBytes.set(labels, bytes)
    metrics.crlEntries.set(labels, entries)
  }
}
