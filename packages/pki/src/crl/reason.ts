import type { RevocationReason } from '@muster/contracts'

/** RFC 5280 §5.3.1: what Muster's own reasons do not name is for CA certificates, suspensions and delta CRLs. */
export type CrlReason = RevocationReason | 'cACompromise' | 'certificateHold' | 'removeFromCRL'

const codes: Readonly<Record<CrlReason, number>> = {
  unspecified: 0,
  keyCompromise: 1,
  cACompromise: 2,
  affiliationChanged: 3,
  superseded: 4,
  cessationOfOperation: 5,
  certificateHold: 6,
  removeFromCRL: 8,
  privilegeWithdrawn: 9,
}

/** The CRLReason; 0 is not written ("should be absent instead"). */
export function reasonCode(reason: CrlReason): number {
  return codes[reason]
}
