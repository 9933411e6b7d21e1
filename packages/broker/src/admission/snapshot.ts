import { type ChangeKind, type DeviceState, sessionKey } from '@muster/contracts'
import type { Clock } from '../contact/clock.ts'
import { decodeRow, encodeRow } from './encode-row.ts'
import type { LookupRow } from './registry.ts'
import type { LogRecord, SnapshotLog } from './snapshot-log.ts'
import { type SnapshotRecord, SnapshotState } from './snapshot-state.ts'

/** What this node can still say about certificates while the registry cannot be asked. */
export interface Snapshot extends AsyncDisposable {
  /** Until when an earlier process of this node was allowed to serve. */
  readonly heldUntil: number
  /** A row that is not older than the freshness bound. */
  find(serial: string): LookupRow | undefined
  /** Keeps a row as the registry gave it, unless something has happened to its holder since the registry was asked. */
  keep(row: LookupRow): void
  /** To be called before a change is acted on. */
  note(change: { kind: ChangeKind; fleet: string; device?: string | null | undefined }): void
  /** Rows of a device, or of everybody, are not believed until they are read again. */
  doubt(whose?: { key: string }): void
  /** The certificates that the device had until now are not in use any more. */
  superseded(key: string): void
  /** Resolves when nothing that was noted can be forgotten any more. */
  sync(): Promise<void>
  /** Reads all rows again, or only those that are not believed until then. */
  refresh(findAll: FindAll, which: 'all' | 'doubted'): AsyncIterable<void>
  /** From `at` on this node may serve for the freshness bound. */
  markFresh(at: number): void
  /** The registry is going to be told that this node leaves: from then on what is kept is worth nothing. */
  leave(): Promise<void>
  /** Whatever else is needed to start without the registry. */
  keepFact(name: string, value: unknown): void
  fact(name: string): unknown
  size(): number
}

type FindAll = (serials: string[]) => Promise<Map<string, LookupRow>>

export interface SnapshotOptions {
  log: SnapshotLog
  /** What an earlier process has left. */
  records: readonly LogRecord[]
  clock: Clock
  freshnessMs: number
  maxEntries?: number
  onError(error: unknown): void
}

const states: Partial<Record<ChangeKind, DeviceState>> = { suspend: 'suspended', revoke: 'revoked', retire: 'retired' }
const everybody = ''
/** Longer than anybody waits for an answer of the registry. */
const answerMs = 60_000
const batchRows = 500
const rewriteAboveBytes = 4 * 1_048_576
const rewriteEveryMs = 30_000

export async function openSnapshot(options: SnapshotOptions): Promise<Snapshot> {
  const { log, records, clock, freshnessMs, maxEntries = 250_000, onError } = options
  const state = new SnapshotState()
  for (const record of records) state.apply(record as unknown as SnapshotRecord)
  const heldUntil = takeOver(state, clock, freshnessMs)
  await log.rewrite(state.records()).catch(onError)
  let rewritten = { bytes: log.writtenBytes(), at: clock.now() }

  /** Since when answers about a device, a fleet or everybody are out of date. */
  let outdated = new Map<string, number>()
  const documentIndex = new Map(state.documents.map((text, index) => [text, index]))

  function commit(record: SnapshotRecord) {
    state.apply(record)
    log.append(record)
  }

  function addDocument(text: string): number {
    let index = documentIndex.get(text)
    if (index === undefined) {
      index = state.documents.length
      documentIndex.set(text, index)
      commit(['document', index, text])
    }
    return index
  }

  function outdate(what: string) {
    const now = clock.now()
    if (outdated.size > 10_000) outdated = new Map([...outdated].filter(([, at]) => at > now - answerMs))
    outdated.set(what, now)
  }

  function isOutdated({ fleet, device, readAt }: LookupRow): boolean {
    const since = [everybody, fleet, `${fleet}/${device}`].map((what) => outdated.get(what) ?? Number.NEGATIVE_INFINITY)
    return readAt <= Math.max(clock.now() - answerMs, ...since)
  }

  function keep(row: LookupRow) {
    if (isOutdated(row)) return
    const text = encodeRow(row, addDocument)
    // The file may have it older than it is.
    if (state.confirm(row.serial, text, row.readAt)) return
    commit(['row', row.serial, sessionKey(row), row.readAt, text])
    const [oldest] = state.entries.keys()
    if (state.entries.size > maxEntries && oldest !== undefined) commit(['gone', oldest])
  }

  /** The same row again needs no writing: the end of the sweep says it for all. */
  function keepAgain(serial: string, row: LookupRow | undefined) {
    if (!state.entries.has(serial)) return
    if (row) keep(row)
    else commit(['gone', serial])
  }

  function rewriteNow() {
    const due = log.isKept() ? log.writtenBytes() > rewriteAboveBytes + 3 * rewritten.bytes : true
    if (!due || clock.now() - rewritten.at < rewriteEveryMs) return
    rewritten = { ...rewritten, at: clock.now() }
    log.rewrite(state.records()).then(() => {
      rewritten = { bytes: log.writtenBytes(), at: clock.now() }
    }, onError)
  }

  return {
    heldUntil,
    keep,
    find(serial) {
      const entry = state.entries.get(serial)
      if (!entry || clock.now() - entry.at > freshnessMs) return undefined
      return { ...decodeRow(entry.text, state.documents), changePending: false, readAt: entry.at, isVouchedFor: true }
    },
    note({ kind, fleet, device }) {
      const key = device ? sessionKey({ fleet, device }) : undefined
      outdate(key ?? fleet)
      const became = states[kind]
      if (key !== undefined && became) commit(['state', key, became])
      else commit(['doubt', key !== undefined ? { key } : { fleet }])
    },
    doubt(whose) {
      outdate(whose?.key ?? everybody)
      commit(['doubt', whose ?? null])
    },
    superseded: (key) => commit(['doubt', { key }]),
    sync: () => log.sync(),
    async *refresh(findAll, which) {
      const startedAt = clock.now()
      const serials = which === 'all' ? [...state.entries.keys()] : state.listDoubted()
      for (let start = 0; start < serials.length; start += batchRows) {
        const batch = serials.slice(start, start + batchRows)
        const rows = await findAll(batch)
        for (const serial of batch) keepAgain(serial, rows.get(serial))
        if (start + batchRows < serials.length) yield
      }
      if (which === 'all') commit(['swept', startedAt])
    },
    markFresh(at) {
      if (at - (state.mark?.mark.at ?? Number.NEGATIVE_INFINITY) < freshnessMs / 50) return
      commit(['mark', clock.mark(at), freshnessMs])
      rewriteNow()
    },
    async leave() {
      commit(['left'])
      await log.sync()
    },
    keepFact(name, value) {
      // It is told again and again.
      if (JSON.stringify(state.facts.get(name)) === JSON.stringify(value)) return
      commit(['fact', name, value])
    },
    fact: (name) => state.facts.get(name),
    size: () => state.entries.size,
    [Symbol.asyncDispose]: () => log[Symbol.asyncDispose](),
  }
}

/** Answers until when what an earlier process has left may be served by. */
function takeOver(state: SnapshotState, clock: Clock, freshnessMs: number): number {
  const { mark } = state
  const age = mark ? clock.since(mark.mark) : Number.POSITIVE_INFINITY
  if (!mark || !Number.isFinite(age)) {
    state.shift(undefined)
    return Number.NEGATIVE_INFINITY
  }
  const markedAt = clock.now() - age
  state.shift(markedAt - mark.mark.at)
  // The registry was promised no more than the earlier process had in mind.
  return markedAt + Math.min(mark.freshnessMs, freshnessMs)
}
