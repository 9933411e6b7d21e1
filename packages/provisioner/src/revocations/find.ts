import { MusterError, type Revocation, RevocationReason } from '@muster/contracts'
import { findChange } from '../changes/find.ts'
import type { Context } from '../context.ts'

/** A revocation is a change of kind `revoke`. */
export async function findRevocation(
  ctx: Pick<Context, 'db'>,
  { fleet, id }: { fleet: string; id: string },
): Promise<Revocation> {
  const found = await findChange(ctx, { fleet, id })
  if (found?.change.kind !== 'revoke' || found.change.device === null)
    throw new MusterError('revocation-not-found', `fleet ${fleet} has no revocation ${id}`)
  const { change, complete, written } = found
  return {
    revocation: id,
    device: found.change.device,
    reason: RevocationReason.parse(change.reason),
    at: change.at.toISOString(),
    complete,
    nodes: written.map(({ node, connectionsClosed, sessionPurged, at }) => ({
      node,
      connectionsClosed,
      sessionPurged,
      at: at.toISOString(),
    })),
  }
}
