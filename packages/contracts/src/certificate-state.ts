/** `pending`: issued by a renewal and not seen by a broker yet; `superseded`: another has taken its place. */
export const certificateStates = ['pending', 'active', 'superseded', 'revoked'] as const
export type CertificateState = (typeof certificateStates)[number]

/** The life of an issuing CA, in the order it goes through. */
export const issuerStates = ['prepared', 'active', 'retiring', 'retired'] as const
export type IssuerState = (typeof issuerStates)[number]

/** PostgreSQL notification channels beside that of changes; payloads: an issuer's name, the id of a renewal request, the session key of a device (and, where a broker did it, its name). */
export const issuersChannel = 'muster_issuers'
export const renewalsChannel = 'muster_renewals'
export const renewalsAnsweredChannel = 'muster_renewals_answered'
/** A renewed certificate has been put in use: connections with the one before it are over. */
export const promotionsChannel = 'muster_promotions'
