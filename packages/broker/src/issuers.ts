import { X509Certificate } from 'node:crypto'
import { type Db, issuers } from '@muster/db'

/** The issuing CAs, PEM: what lets a client present its own certificate alone. The root is not among them: it is pinned. */
export async function loadIntermediates(db: Db): Promise<string[]> {
  const rows = await db.select({ der: issuers.der }).from(issuers).orderBy(issuers.name)
  return rows
    .map(({ der }) => new X509Certificate(der))
    .filter((certificate) => certificate.subject !== certificate.issuer)
    .map((certificate) => certificate.toString())
}
