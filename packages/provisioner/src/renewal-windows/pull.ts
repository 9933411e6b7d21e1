import { MusterError, type PulledRenewal, type PullRenewalRequest } from '@muster/contracts'
import { issuers, recordAudit, renewalWindows, type Tx } from '@muster/db'
import { eq } from 'drizzle-orm'
import type { Context } from '../context.ts'
import { requireFleet } from '../fleets/require-fleet.ts'
import { auditScope, presentWindow } from './present.ts'

const defaultLengthMs = 3_600_000

/** Every certificate that matches, and that exists already, is to be renewed within the window. */
export async function pullRenewal(ctx: Context, request: PullRenewalRequest): Promise<PulledRenewal> {
  const createdAt = ctx.now()
  const startsAt = request.start === undefined ? createdAt : new Date(request.start)
  const endsAt = request.end === undefined ? new Date(startsAt.getTime() + defaultLengthMs) : new Date(request.end)
  if (endsAt <= startsAt) throw new MusterError('request-invalid', 'the window ends before it starts')
  const { fleet = null, group = null, device = null, issuer = null } = request
  return ctx.db.transaction(async (tx) => {
    if (fleet !== null) await requireFleet(tx, fleet)
    if (issuer !== null) await requireIssuer(tx, issuer)
    const values = { fleet, group, device, issuer, startsAt, endsAt, createdAt }
    const [row] = await tx.insert(renewalWindows).values(values).returning()
    if (!row) throw new Error('the window has no number')
    const { actor, requestId } = ctx
    const detail = { ...values, id: row.id }
    await recordAudit(tx, { actor, action: 'renewal.pull', ...auditScope(row), detail, requestId, at: createdAt })
    return presentWindow(row)
  })
}

async function requireIssuer(tx: Tx, name: string): Promise<void> {
  const found = await tx.$count(issuers, eq(issuers.name, name))
  if (found === 0) throw new MusterError('issuer-not-found', `there is no issuer ${name}`)
}
