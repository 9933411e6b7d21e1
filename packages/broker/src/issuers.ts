import { X509Certificate } from 'node:crypto'
import { issuersChannel } from '@muster/contracts'
import { type Db, issuers, issuerTrust, listenTo, repeat } from '@muster/db'
import { asc } from 'drizzle-orm'

export interface Trust {
  /** PEM: roots, and the CAs below them, which let a client present its own certificate alone. */
  ca: string[]
  /** Names of the issuers whose certificates are good with it. */
  names: string[]
  /** Differs whenever an issuer has come, gone or changed. */
  version: string
}

const pemBlocks = /-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g

/** What the registry's issuers are worth to somebody who has pinned `pinnedRoots` (PEM). */
export async function loadTrust(db: Db, pinnedRoots: string): Promise<Trust> {
  const rows = await db.select().from(issuers).orderBy(asc(issuers.createdAt), asc(issuers.name))
  const all = rows.map((row) => ({ ...row, certificate: new X509Certificate(row.der) }))
  const live = all.filter(({ state }) => state !== 'retired')
  const retired = all.filter(({ state }) => state === 'retired')

  // A root that is not pinned is believed when one that is has certified its key, be it retired since.
  const pinned = (pinnedRoots.match(pemBlocks) ?? []).map((pem) => new X509Certificate(pem))
  const proof = growTrust(pinned, all)
  const isBelieved = ({ publicKey }: X509Certificate) => proof.some((known) => known.publicKey.equals(publicKey))
  const known = live.filter(({ kind, certificate }) => kind === 'root' && isBelieved(certificate))
  const isGone = ({ raw }: X509Certificate) => retired.some(({ certificate }) => certificate.raw.equals(raw))
  const roots = [...pinned.filter((root) => !isGone(root)), ...known.map(({ certificate }) => certificate)]

  const trusted = growTrust(roots, live)
  const named = live.filter(({ certificate }) => trusted.some(({ raw }) => raw.equals(certificate.raw)))
  return {
    ca: [...new Set(trusted.map((certificate) => certificate.toString()))],
    names: named.map(({ name }) => name),
    version: rows.map(({ fingerprint, state }) => `${fingerprint} ${state}`).join(),
  }
}

/** The anchors, and whatever leads to them. */
function growTrust(anchors: readonly X509Certificate[], candidates: readonly { certificate: X509Certificate }[]) {
  const trusted = [...anchors]
  for (const above of trusted)
    for (const { certificate } of candidates)
      if (!trusted.includes(certificate) && certificate.checkIssued(above) && certificate.verify(above.publicKey))
        trusted.push(certificate)
  return trusted
}

/** Follows the issuers of the registry, and says so there once `apply` has put them to use. */
export function watchTrust(options: {
  db: Db
  node: string
  url: string
  pollMs: number
  /** Already in use. */
  trust: Trust
  load(): Promise<Trust>
  apply(trust: Trust): Promise<void>
  now(): Date
  onError(error: unknown): void
}): AsyncDisposable {
  const { db, node, url, pollMs, load, apply, now, onError } = options
  let used = options.trust
  let told = false

  async function look() {
    const found = await load()
    if (found.version !== used.version) {
      await apply(found)
      used = found
      told = false
    }
    if (told) return
    const at = now()
    const rows = used.names.map((issuer) => ({ issuer, node, at }))
    if (rows.length > 0) await db.insert(issuerTrust).values(rows).onConflictDoNothing()
    told = true
  }

  const poll = repeat(look, { everyMs: pollMs, onError })
  const hurry = () => poll.hurry()
  const listening = listenTo({
    ...{ url, channels: [issuersChannel], applicationName: 'muster_broker issuers' },
    ...{ onListening: hurry, onNotification: hurry, onError },
  })
  return {
    async [Symbol.asyncDispose]() {
      await listening[Symbol.asyncDispose]()
      await poll[Symbol.asyncDispose]()
    },
  }
}
