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
export const changeKinds = ['revoke', 'suspend', 'resume', 'retire', 'policy', 'group'] as const
export type ChangeKind = (typeof changeKinds)[number]

/**
 * Those after which what was kept for the device may have to be gone before it comes back. After the others a look-up
 * that sees the change is all that it needs.
 */
export const lifeChanges = ['revoke', 'suspend', 'resume', 'retire'] as const satisfies readonly ChangeKind[]
export type LifeChange = (typeof lifeChanges)[number]

/** The channel on which brokers hear of changes that somebody wants to see before they are made. */
export const previewsChannel = 'muster_previews'

/** The PostgreSQL notification channel; the payload is the `seq` of a row in `changes`. */
export const changesChannel = 'muster_changes'
