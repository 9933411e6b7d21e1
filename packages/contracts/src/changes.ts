import { z } from 'zod'

/** CRLReason of RFC 5280 §5.3.1, as far as an operator may give it. */
export const revocationReasons = [
  'unspecified',
  'keyCompromise',
  'affiliationChanged',
  'superseded',
  'cessationOfOperation',
  'privilegeWithdrawn',
] as const
export const RevocationReason = z.enum(revocationReasons)
export type RevocationReason = z.infer<typeof RevocationReason>

/** What brokers act on; each is acknowledged by a receipt per node. */
export const changeKinds = ['revoke', 'suspend', 'resume', 'retire'] as const
export type ChangeKind = (typeof changeKinds)[number]

/** The PostgreSQL notification channel; the payload is the `seq` of a row in `changes`. */
export const changesChannel = 'muster_changes'
