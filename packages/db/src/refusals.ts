import type { ErrorCode } from '@muster/contracts'
import { sql } from 'drizzle-orm'
import type { Db, Tx } from './open.ts'
import { refusals } from './schema/refusals.ts'

export interface Refusal {
  fleet: string
  device: string
  code: ErrorCode
  /** The remote address without its port. */
  address: string
  detail: string
  /** Somebody should look. */
  alert?: boolean | undefined
  at: Date
}

/** Promise 6. A refusal like an earlier one counts it up; an alert once raised stays. */
export async function recordRefusal(db: Db | Tx, refusal: Refusal): Promise<void> {
  const { at, alert = false, ...rest } = refusal
  await db
    .insert(refusals)
    .values({ ...rest, alert, firstAt: at, lastAt: at })
    .onConflictDoUpdate({
      target: [refusals.fleet, refusals.device, refusals.code, refusals.address],
      set: {
        count: sql`${refusals.count} + 1`,
        lastAt: at,
        detail: refusal.detail,
        alert: sql`${refusals.alert} or excluded.alert`,
      },
    })
}
