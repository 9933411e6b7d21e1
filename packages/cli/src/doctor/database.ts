import { openDb } from '@muster/db'
import type { Finding } from './command.ts'

/** The embedded one is judged by the provisioner's readiness: it listens for its own processes only. */
export async function examineDatabase(url: string | undefined): Promise<Finding> {
  const what = 'database'
  if (url === undefined) return { what, state: 'good', detail: 'embedded (MUSTER_DATABASE_URL is not set)' }
  try {
    await using _db = await openDb({ url, max: 1 })
    return { what, state: 'good', detail: 'MUSTER_DATABASE_URL answers' }
  } catch (error) {
    return { what, state: 'bad', detail: `MUSTER_DATABASE_URL: ${(error as Error).message}` }
  }
}
