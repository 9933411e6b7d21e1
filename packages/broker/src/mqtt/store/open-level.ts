import { chmod, mkdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { MusterError } from '@muster/contracts'
import { ClassicLevel } from 'classic-level'
import { formatVersion, versionKey } from './records.ts'

export type Level = ClassicLevel<string, string | Buffer>

/** @throws MusterError that says what to do: it is read by whoever finds that the broker does not start */
export async function openLevel(path: string): Promise<Level> {
  await mkdir(path, { recursive: true, mode: 0o700 })
  await chmod(path, 0o700)
  const level: Level = new ClassicLevel<string, string | Buffer>(path, {
    valueEncoding: 'buffer',
    writeBufferSize: 16 * 1_048_576,
    cacheSize: 16 * 1_048_576,
  })
  await reopenLevel(level)
  try {
    await checkVersion(level)
    return level
  } catch (error) {
    await level.close()
    throw error
  }
}

/** After a write has failed the database refuses all others until it has been opened anew. */
export async function reopenLevel(level: Level): Promise<void> {
  try {
    await level.open()
  } catch (error) {
    throw explain(level.location, error)
  }
}

/** What the database could not read of its log it leaves out, and says so only in its own protocol. */
export async function findLoss(level: Level): Promise<MusterError | undefined> {
  const protocol = await readFile(join(level.location, 'LOG'), 'utf8').catch(() => '')
  const lost = protocol.split('\n').filter((line) => /dropping \d+ bytes/.test(line))
  if (lost.length === 0) return undefined
  return new MusterError('internal', `a part of the sessions in ${level.location} was damaged and is lost`, {
    cause: lost,
  })
}

async function checkVersion(level: Level) {
  const found = await level.get<string, string>(versionKey, { valueEncoding: 'utf8' })
  if (found === formatVersion) return
  if (found !== undefined)
    throw new MusterError(
      'unavailable',
      `${level.location} holds sessions in format ${found}, and this Muster reads format ${formatVersion}: start the version that wrote them, or move the directory away and begin without sessions`,
    )
  if ((await level.keys({ limit: 1 }).all()).length > 0)
    throw damaged(level.location, 'the format’s version is missing')
  await level.put(versionKey, formatVersion, { sync: true })
}

export function damaged(path: string, what: unknown): MusterError {
  return new MusterError(
    'unavailable',
    `the sessions in ${path} are damaged (${describe(what)}): put back a copy, or salvage what can be read with --repair-sessions, or move the directory away and begin without subscriptions, queued and retained messages`,
    { cause: what },
  )
}

function explain(path: string, error: unknown): MusterError {
  const cause = causeOf(error)
  if (cause.code === 'LEVEL_LOCKED')
    return new MusterError('unavailable', `the sessions in ${path} are in use by another broker process`, { cause })
  if (cause.code === 'LEVEL_CORRUPTION' || /does not exist|missing files/i.test(cause.message))
    return damaged(path, cause)
  return new MusterError('unavailable', `the sessions in ${path} cannot be opened: ${cause.message}`, { cause })
}

function causeOf(error: unknown): { code?: string; message: string } {
  const { cause } = error as { cause?: unknown }
  return cause instanceof Error ? cause : (error as Error)
}

const describe = (what: unknown) => (what instanceof Error ? what.message : String(what))
