import { chmod, mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import type { Clock } from '../contact/clock.ts'
import { openSnapshot, type Snapshot } from './snapshot.ts'
import { type LogRecord, loadSnapshotKey, openSnapshotLog, readSnapshotLog } from './snapshot-log.ts'

export interface KeptSnapshot extends Snapshot {
  /** How often it could not be read or kept. */
  failures(): number
}

/** The snapshot of a node, in its directory; one that is not as it was written counts as none. */
export async function loadSnapshot(options: {
  directory: string
  clock: Clock
  freshnessMs: number
  onError(error: unknown): void
}): Promise<KeptSnapshot> {
  const { directory, clock, freshnessMs } = options
  let failures = 0
  const onError = (error: unknown) => {
    failures += 1
    options.onError(error)
  }
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
  const snapshot = await openSnapshot({ log, records, clock, freshnessMs, onError })
  return { ...snapshot, failures: () => failures }
}
