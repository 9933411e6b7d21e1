import type { ErrorCode, MusterError } from '@muster/contracts'
import type { Who } from '../refusal-log.ts'

/** Refused certificates, remembered for a short time that grows: so long, they are refused without asking anybody. */
export interface CertificatePenalties {
  /** How `certificate` (SHA-256) was refused, while that still counts. */
  find(certificate: string): (Remembered & { until: number }) | undefined
  /** `since`: the value of `moment()` before the refusal was decided. */
  refused(certificate: string, refused: Remembered, since: number): void
  admitted(certificate: string): void
  moment(): number
  /** Something has changed for a device (`<fleet>/<device>`): its next connection is judged anew. */
  forgive(key: string): void
  forgiveAll(): void
  readonly size: number
}

export interface Remembered {
  refusal: MusterError
  who: Who | undefined
}

interface Penalty extends Remembered {
  strikes: number
  until: number
  forgetAt: number
}

const freeStrikes = 3
/** The certificate is good, and what was asked for with it is not: a person may be trying things out. */
const freeStrikesOfConnects = 30
const ofConnects: readonly ErrorCode[] = ['client-id-mismatch', 'will-denied', 'packet-malformed']
const firstMs = 1_000
const longestMs = 60_000
const forgetMs = 120_000
/** What says nothing about the certificate, or would shut out its owner too. */
export const blameless: readonly ErrorCode[] = [
  'unavailable',
  'internal',
  'rate-limited',
  'request-too-large',
  'certificate-cloned',
]

export function createCertificatePenalties(options: { maxCertificates: number; now(): number }): CertificatePenalties {
  const { maxCertificates, now } = options
  const penalties = new Map<string, Penalty>()
  let forgivenAt = 0

  function strikesOf(certificate: string): number {
    const known = penalties.get(certificate)
    return known && now() < known.forgetAt ? known.strikes : 0
  }

  return {
    get size() {
      return penalties.size
    },

    moment: () => forgivenAt,

    find(certificate) {
      const known = penalties.get(certificate)
      return known && now() < known.until ? known : undefined
    },

    refused(certificate, { refusal, who }, since) {
      // Decided by what was true before somebody was forgiven: not held against anybody.
      if (since !== forgivenAt || blameless.includes(refusal.code)) return
      const strikes = strikesOf(certificate) + 1
      const over = strikes - (ofConnects.includes(refusal.code) ? freeStrikesOfConnects : freeStrikes)
      const forMs = over < 0 ? 0 : Math.min(longestMs, firstMs * 2 ** over)
      penalties.delete(certificate)
      penalties.set(certificate, { refusal, who, strikes, until: now() + forMs, forgetAt: now() + forMs + forgetMs })
      const [longest] = penalties.size > maxCertificates ? penalties.keys() : []
      if (longest !== undefined) penalties.delete(longest)
    },

    admitted(certificate) {
      penalties.delete(certificate)
    },

    forgive(key) {
      forgivenAt += 1
      for (const [certificate, { who }] of penalties)
        if (who && `${who.fleet}/${who.device}` === key) penalties.delete(certificate)
    },

    forgiveAll() {
      forgivenAt += 1
      penalties.clear()
    },
  }
}
