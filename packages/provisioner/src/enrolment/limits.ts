import { MusterError } from '@muster/contracts'
import { RateLimiterMemory } from 'rate-limiter-flexible'
import { limitedTogether } from '../http/address.ts'

export interface LimitOptions {
  /** Refused requests a minute. */
  perAddress?: number
  perClaim?: number
}

export class RateLimited extends MusterError {
  readonly retryAfterSeconds: number

  constructor(retryAfterMs: number) {
    super('rate-limited', 'too many refused requests; wait as long as Retry-After says')
    this.retryAfterSeconds = Math.max(1, Math.ceil(retryAfterMs / 1000))
  }
}

/**
 * Counts refused requests only: a factory enrols thousands of devices from one address, and a claim's success is paid for by the claim.
 * A claim is counted together with the address, so that whoever knows a claim's id cannot shut its device out from elsewhere,
 * and one broken device does not use up the budget of its whole site.
 */
export function createEnrolLimits({ perAddress = 1_000, perClaim = 100 }: LimitOptions = {}) {
  const addresses = new RateLimiterMemory({ points: perAddress, duration: 60 })
  const claims = new RateLimiterMemory({ points: perClaim, duration: 60 })

  return {
    async require(address: string, token: string): Promise<void> {
      const together = limitedTogether(address)
      const counted = [
        [await addresses.get(together), perAddress],
        [await claims.get(claimKey(together, token)), perClaim],
      ] as const
      for (const [found, limit] of counted)
        if (found && found.consumedPoints >= limit) throw new RateLimited(found.msBeforeNext)
    },
    async countRefusal(address: string, token: string): Promise<void> {
      const together = limitedTogether(address)
      await addresses.penalty(together)
      await claims.penalty(claimKey(together, token))
    },
  }
}

/** The id's place in the token, well-formed or not; bounded, and never the secret. */
const claimKey = (address: string, token: string) => `${address} ${token.split('.', 2)[1]?.slice(0, 16) ?? ''}`
