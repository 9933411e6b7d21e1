import type { Certificate } from '@muster/contracts'
import type { CertificateRow } from './issue.ts'

export function presentCertificate(row: CertificateRow): Certificate {
  const { serial, fleet, device, issuer, fingerprint, state, revocationReason } = row
  return {
    ...{ serial, fleet, device, issuer, fingerprint, state, revocationReason },
    notBefore: row.notBefore.toISOString(),
    notAfter: row.notAfter.toISOString(),
    revokedAt: row.revokedAt?.toISOString() ?? null,
  }
}
