import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto'
import { type FileHandle, open, readFile, rename, rm, writeFile } from 'node:fs/promises'

export type LogRecord = readonly [kind: string, ...values: unknown[]]

/**
 * Records in a file, each a line that carries a MAC over itself and all before it: what was changed, left out or put in between is
 * noticed. Written behind, but for `sync`.
 */
export interface SnapshotLog extends AsyncDisposable {
  append(record: LogRecord): void
  /** Resolves when everything appended so far is on the disk, or the file is gone. @throws when neither can be done */
  sync(): Promise<void>
  /** Starts the file anew with `records`; what is appended meanwhile follows them. */
  rewrite(records: Iterable<LogRecord>): Promise<void>
  /** False before the first `rewrite`, and after the disk has failed. */
  isKept(): boolean
  /** The size of the file. */
  writtenBytes(): number
}

export interface SnapshotLogOptions {
  path: string
  key: Buffer
  onError(error: unknown): void
}

const macBytes = 16
const macLength = 22
const flushMs = 50
const recordsATurn = 1_000

const macOf = (key: Buffer, before: string, text: string) =>
  createHmac('sha256', key).update(before).update(text).digest().subarray(0, macBytes).toString('base64url')

/** The key lies beside the file, for nobody but this process's account. */
export async function loadSnapshotKey(path: string): Promise<Buffer> {
  const found = await readFile(path).catch(() => undefined)
  if (found?.length === 32) return found
  const key = randomBytes(32)
  await writeFile(path, key, { mode: 0o600 })
  return key
}

/** The records of a file; none where there is no file. @throws when the file is not what was written */
export async function readSnapshotLog({ path, key }: Pick<SnapshotLogOptions, 'path' | 'key'>): Promise<LogRecord[]> {
  const bytes = await readFile(path).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return Buffer.of()
    throw error
  })
  const records: LogRecord[] = []
  let before = ''
  // A last line without its end is one that a crash has cut off.
  for (let start = 0, end = bytes.indexOf(10); end >= 0; start = end + 1, end = bytes.indexOf(10, start)) {
    const mac = bytes.toString('latin1', start, start + macLength)
    const text = bytes.toString('utf8', start + macLength, end)
    const expected = macOf(key, before, text)
    if (mac.length !== macLength || !timingSafeEqual(Buffer.from(mac), Buffer.from(expected)))
      throw new Error(`${path} is not as it was written, from byte ${start} on`)
    records.push(JSON.parse(text))
    before = mac
  }
  return records
}

/** The file is begun by the first `rewrite`; until then nothing is kept. */
export function openSnapshotLog({ path, key, onError }: SnapshotLogOptions): SnapshotLog {
  let file: FileHandle | undefined
  let before = ''
  let pending: LogRecord[] = []
  let writtenBytes = 0
  let timer: NodeJS.Timeout | undefined
  let working: Promise<unknown> = Promise.resolve()

  /** One thing after the other, whatever became of the one before. */
  function queue(work: () => Promise<void>): Promise<void> {
    const done = working.then(work)
    working = done.catch(() => {})
    return done
  }

  async function write(to: FileHandle, records: readonly LogRecord[]) {
    const lines = records.map((record) => {
      const text = JSON.stringify(record)
      before = macOf(key, before, text)
      return `${before}${text}\n`
    })
    const bytes = Buffer.from(lines.join(''))
    if (bytes.length > 0) await to.appendFile(bytes)
    writtenBytes += bytes.length
  }

  async function flush({ durably }: { durably: boolean }) {
    clearTimeout(timer)
    timer = undefined
    const records = pending
    pending = []
    if (!file) return
    try {
      await write(file, records)
      if (durably) await file.datasync()
    } catch (error) {
      // What can no longer be kept up must not be believed after a restart.
      await file.close().catch(() => {})
      file = undefined
      await rm(path, { force: true })
      onError(error)
    }
  }

  async function begin(records: Iterable<LogRecord>) {
    await flush({ durably: false })
    const kept = { before, writtenBytes }
    ;[before, writtenBytes] = ['', 0]
    let next: FileHandle | undefined
    try {
      next = await open(`${path}.new`, 'w', 0o600)
      for (const some of chunks(records)) await write(next, some)
      await next.datasync()
      await rename(`${path}.new`, path)
    } catch (error) {
      ;({ before, writtenBytes } = kept)
      await next?.close().catch(() => {})
      await rm(`${path}.new`, { force: true })
      // An older one, of an earlier process, does not know what comes from here on.
      if (!file) await rm(path, { force: true })
      throw error
    }
    await file?.close()
    file = next
  }

  return {
    append(record) {
      pending.push(record)
      timer ??= setTimeout(() => void queue(() => flush({ durably: false })).catch(onError), flushMs)
    },
    sync: () => queue(() => flush({ durably: true })),
    rewrite: (records) => queue(() => begin(records)),
    isKept: () => file !== undefined,
    writtenBytes: () => writtenBytes,
    async [Symbol.asyncDispose]() {
      await queue(() => flush({ durably: true })).catch(onError)
      await file?.close()
    },
  }
}

function* chunks(records: Iterable<LogRecord>): Iterable<LogRecord[]> {
  let some: LogRecord[] = []
  for (const record of records) {
    some.push(record)
    if (some.length < recordsATurn) continue
    yield some
    some = []
  }
  if (some.length > 0) yield some
}
