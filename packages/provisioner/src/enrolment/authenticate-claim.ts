import { MusterError, parseClaimToken } from '@muster/contracts'
import { claims, type Db, prepared } from '@muster/db'
import { eq, sql } from 'drizzle-orm'
import type { Context } from '../context.ts'
import { isSecret } from '../secret.ts'

export type ClaimRow = typeof claims.$inferSelect

/** One look-up and one hash, whether the claim is known or not. */
export async function authenticateClaim({ db }: Pick<Context, 'db'>, token: string): Promise<ClaimRow> {
  const { id, secret } = parseClaimToken(token)
  const [claim] = await prepared(db, findClaim).execute({ id })
  if (!isSecret(secret, claim?.secretHash) || !claim)
    throw new MusterError('claim-invalid', 'the claim is not known here')
  return claim
}

const findClaim = (db: Db) =>
  db
    .select()
    .from(claims)
    .where(eq(claims.id, sql.placeholder('id')))
    .prepare('find_claim')
