import {
  type CreateClaimRequest,
  type CreatedClaim,
  formatClaimToken,
  MusterError,
  platformFleet,
} from '@muster/contracts'
import { claims, recordAudit } from '@muster/db'
import { certificateFingerprint } from '@muster/pki'
import type { Context } from '../context.ts'
import { requireFleet } from '../fleets/require-fleet.ts'
import { holdPolicy } from '../policies/find.ts'
import { createSecret, createSecretId, hashSecret } from '../secret.ts'

const maxLifetimeSeconds = 10 * 366 * 86_400

export async function createClaim(ctx: Context, request: CreateClaimRequest): Promise<CreatedClaim> {
  const { fleet, group, profile, approval, label = null, networks = null } = request
  if ((profile === 'server') !== (fleet === platformFleet))
    throw new MusterError('request-invalid', `profile server belongs to fleet ${platformFleet}, and nothing else does`)
  if ((request.expiresIn ?? 0) > maxLifetimeSeconds)
    throw new MusterError('request-invalid', 'a claim lives for ten years at most')
  const named = request.devices ?? (request.device === undefined ? undefined : [request.device])
  const devices = named ? [...new Set(named)] : null
  const uses = request.uses ?? devices?.length ?? 1
  const policy = request.policy ?? null
  const [id, secret, at] = [createSecretId(), createSecret(), ctx.now()]
  const expiresAt = request.expiresIn === undefined ? null : new Date(at.getTime() + request.expiresIn * 1000)

  await ctx.db.transaction(async (tx) => {
    await requireFleet(tx, fleet)
    if (policy !== null) await holdPolicy(tx, { fleet, name: policy })
    const rules = { group, profile, policy, devices, uses, approval, networks, label, expiresAt }
    await tx.insert(claims).values({ ...rules, id, fleet, secretHash: hashSecret(secret), createdAt: at })
    const { actor, requestId } = ctx
    await recordAudit(tx, { actor, action: 'claim.create', fleet, subject: id, detail: rules, requestId, at })
  })
  const rootFingerprint = certificateFingerprint(ctx.issuers.anchor.raw)
  return { id, claim: formatClaimToken({ id, secret, rootFingerprint }) }
}
