import { MusterError } from '@muster/contracts'
import type { Context } from '../context.ts'
import type { EnrolResult } from '../enrolment/enrol.ts'
import type { LimitedEnrol } from '../enrolment/enrol-within-limits.ts'
import type { EstCredentials } from './read-credentials.ts'

/** RFC 7030 §4.2.1. Who has no good claim has the wrong password, and may try another. */
export async function enrolByPassword(
  ctx: Context,
  enrol: LimitedEnrol,
  credentials: EstCredentials,
  request: { csr: Buffer; address: string },
): Promise<EnrolResult> {
  try {
    return await enrol(ctx, { ...credentials, csr: request.csr.toString('base64'), address: request.address })
  } catch (cause) {
    if (!(cause instanceof MusterError) || cause.code !== 'claim-invalid') throw cause
    throw new MusterError('not-authenticated', 'the claim in the password is not known here', { cause })
  }
}
