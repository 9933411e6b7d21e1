import { MusterError } from '@muster/contracts'
import { operatorTokens } from '@muster/db'
import { eq } from 'drizzle-orm'
import type { Context } from '../context.ts'
import { isSecret } from '../secret.ts'

const bearer = /^Bearer +muster_op_([0-9a-f]{16})_([A-Za-z0-9_-]{43}) *$/i

/** The actor that an `Authorization` header speaks for. */
export async function authenticateOperator({ db }: Pick<Context, 'db'>, header: string | undefined): Promise<string> {
  const [, id, secret] = bearer.exec(header ?? '') ?? []
  if (!id || !secret) throw refuse()
  const [token] = await db.select().from(operatorTokens).where(eq(operatorTokens.id, id))
  if (!isSecret(secret, token?.secretHash) || token?.revokedAt) throw refuse()
  return `operator:${id}`
}

function refuse(): MusterError {
  return new MusterError('not-authenticated', 'an operator token is needed: Authorization: Bearer muster_op_…')
}
