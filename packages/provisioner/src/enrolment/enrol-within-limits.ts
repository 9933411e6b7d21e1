import { MusterError } from '@muster/contracts'
import type { Context } from '../context.ts'
import { type EnrolInput, type EnrolResult, enrolDevice } from './enrol.ts'
import { createEnrolLimits } from './limits.ts'

/** After how long a device that waits for approval asks again. */
export const pendingRetrySeconds = 30

export type LimitedEnrol = (ctx: Context, request: EnrolInput) => Promise<EnrolResult>

/** Enrolment as strangers get it; one for all the ways that lead to it, which count together. */
export function limitEnrolment(): LimitedEnrol {
  const limits = createEnrolLimits()
  return async (ctx, request) => {
    const { address, claim } = request
    await limits.require(address, claim)
    try {
      const outcome = await enrolDevice(ctx, request)
      ctx.metrics.enrolments.inc({ result: outcome.result })
      return outcome
    } catch (error) {
      if (isRefusal(error)) await limits.countRefusal(address, claim)
      throw error
    }
  }
}

const isRefusal = (error: unknown) => error instanceof MusterError && !['unavailable', 'internal'].includes(error.code)
