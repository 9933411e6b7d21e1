import { access } from 'node:fs/promises'
import { MusterError } from '@muster/contracts'
import { ClassicLevel } from 'classic-level'
import { decodeBody, decodeQueued, decodeRecord, formatVersion, kinds, versionKey } from './records.ts'

const checks: Partial<Record<string, (key: string, value: Buffer) => void>> = {
  [kinds.session]: decodeRecord,
  [kinds.filter]: decodeRecord,
  [kinds.queued]: decodeQueued,
  [kinds.message]: decodeBody,
  [kinds.will]: decodeBody,
  [kinds.retained]: decodeBody,
}

/** Keeps what can be read of a damaged store. @throws MusterError when there is nothing to repair, or it is in use */
export async function repairSessions(path: string): Promise<{ kept: number; dropped: number }> {
  try {
    await access(path)
    await ClassicLevel.repair(path)
  } catch (cause) {
    throw new MusterError('unavailable', `the sessions in ${path} cannot be repaired: ${String(cause)}`, { cause })
  }
  const level = new ClassicLevel<string, Buffer>(path, { valueEncoding: 'buffer' })
  await level.open()
  try {
    const unreadable: string[] = []
    let kept = 0
    for await (const [key, value] of level.iterator()) {
      if (isReadable(key, value)) kept += 1
      else unreadable.push(key)
    }
    await level.batch(unreadable.map((key) => ({ type: 'del', key }) as const))
    await level.put(versionKey, Buffer.from(formatVersion), { sync: true })
    return { kept, dropped: unreadable.length }
  } finally {
    await level.close()
  }
}

function isReadable(key: string, value: Buffer): boolean {
  try {
    checks[key.slice(0, 2)]?.(key, value)
    return true
  } catch {
    return false
  }
}
