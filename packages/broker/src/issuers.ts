import { X509Certificate } from 'node:crypto'
import { type Db, issuers } from '@muster/db'
import { ne, sql } from 'drizzle-orm'
import { repeat } from './repeat.ts'

/** The issuing CAs in use, PEM: what lets a client present its own certificate alone. The root is not among them: it is pinned. */
export async function loadIntermediates(db: Db): Promise<string[]> {
  const rows = await db
    .select({ der: issuers.der })
    .from(issuers)
    .where(ne(issuers.state, 'retired'))
    .orderBy(issuers.name)
  return rows
    .map(({ der }) => new X509Certificate(der))
    .filter((certificate) => certificate.subject !== certificate.issuer)
    .map((certificate) => certificate.toString())
}

/** Notices an issuing CA that has come or gone; `loadIntermediates` has been called before. */
export function watchIntermediates(options: {
  db: Db
  onChange(): Promise<void>
  onError(error: unknown): void
}): AsyncDisposable {
  const { db, onChange, onError } = options
  let known: string | undefined
  async function look() {
    const { rows } = await db.execute<{ names: string }>(
      sql`select coalesce(string_agg(fingerprint, ' ' order by name), '') as names
        from issuers where state <> 'retired'`,
    )
    const found = rows[0]?.names
    if (known !== undefined && found !== known) await onChange()
    known = found
  }
  return repeat(look, { everyMs: 60_000, onError })
}
