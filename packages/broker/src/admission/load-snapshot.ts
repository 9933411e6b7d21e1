import { chmod, mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import type { Clock } from '../contact/clock.ts'
import { openSnapshot, type Snapshot } from './snapshot.ts'
import { type LogRecord, loadSnapshotKey, openSnapshotLog, readSnapshotLog } from './snapshot-log.ts'

/** The snapshot of a node, in its directory; one that is not as it was written counts as none. */
export async function loadSnapshot(options: {
  directory: string
  clock: Clock
  freshnessMs: number
  onError(error: unknown): void
}): Promise<Snapshot> {
  const { directory, clock, freshnessMs, onError } = options
  await mkdir(directory, { recursive: true, mode: 0o700 })
  const path = join(directory, 'admission.log')
  const key = await loadSnapshotKey(join(directory, 'admission.key'))
  let records: LogRecord[] = []
  try {
    records = await readSnapshotLog({ path, key })
    if (records.length > 0) await chmod(path, 0o600)
  } catch (error) {
    onError(error)
  }
  const log = openSnapshotLog({ path, key, onError })
  return openSnapshot({ log, records, clock, freshnessMs, onError })
}
