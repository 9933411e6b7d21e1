import type { X509Certificate } from 'node:crypto'
import { MusterError } from '@muster/contracts'
import { type Db, issuers, prepared, type Tx } from '@muster/db'
import { certificateFingerprint, type Issuer } from '@muster/pki'
import { and, asc, eq } from 'drizzle-orm'
import type { CaStore } from './ca-store.ts'
import { type IssuerRow, leadToAnchor, readTrust } from './trust.ts'

/** The CAs of the registry, as far as this process has their keys. */
export interface Issuers {
  readonly store: CaStore
  /** The one that new certificates come from, as last seen; `lockActive` knows exactly. */
  readonly active: Issuer
  /** The root that the chains below end at: it goes into claims. */
  readonly anchor: X509Certificate
  /** All roots to trust, the oldest first. */
  readonly roots: readonly X509Certificate[]
  /** Roots have been rolled, or are being rolled. */
  readonly rolled: boolean
  /** Every CA certificate, retired ones included. */
  readonly rows: readonly IssuerRow[]
  /** The issuer whose certificates come next; it cannot be retired before the transaction ends. */
  lockActive(tx: Tx): Promise<Issuer>
  /** With its key, for as long as that is kept: who has retired a CA still says what it has revoked. */
  find(name: string): Issuer | undefined
  /** What leads from a certificate of that issuer to `anchor`. */
  chainOf(name: string): Promise<X509Certificate[]>
  /** Looks at the registry again. */
  refresh(): Promise<void>
  /** Called when anything above has changed. */
  onChange(listener: () => void): void
}

export interface IssuersOptions {
  db: Db
  store: CaStore
  onError(error: unknown): void
}

interface Snapshot extends Pick<Issuers, 'active' | 'anchor' | 'roots' | 'rows'> {
  chains: Map<string, X509Certificate[]>
  opened: Map<string, Issuer>
}

export async function openIssuers({ db, store, onError }: IssuersOptions): Promise<Issuers> {
  const listeners: (() => void)[] = []
  let seen = await look(db)

  async function look(source: Db | Tx, before?: Snapshot): Promise<Snapshot> {
    const rows = await source.select().from(issuers).orderBy(asc(issuers.createdAt), asc(issuers.name))
    const opened = new Map<string, Issuer>()
    for (const row of rows) {
      if (row.kind !== 'issuing') continue
      const known = before?.opened.get(row.name)
      const same = known && certificateFingerprint(known.certificate.raw) === row.fingerprint
      try {
        opened.set(row.name, same ? known : await store.open(row))
      } catch (error) {
        // Others may be good without it; certificates do not come from it here.
        if (row.state === 'active' && !before) throw error
        if (row.state !== 'retired') onError(error)
      }
    }
    const current = rows.find(({ kind, state }) => kind === 'issuing' && state === 'active')
    const active = (current && opened.get(current.name)) ?? before?.active
    if (!active) throw new MusterError('unavailable', 'the registry has no active issuer')
    return { ...arrange(rows, active, opened), rows, opened }
  }

  const signature = ({ rows, opened }: Snapshot) =>
    JSON.stringify([rows.map(({ name, state, fingerprint }) => [name, state, fingerprint]), [...opened.keys()]])

  async function lookAgain(source: Db | Tx) {
    const next = await look(source, seen)
    const changed = signature(next) !== signature(seen)
    seen = next
    if (changed) for (const listener of listeners) listener()
  }

  // One after another: what was read first must not come in last.
  let queue = Promise.resolve()
  function refresh() {
    const turn = queue.then(() => lookAgain(db))
    queue = turn.catch(() => {})
    return turn
  }

  return {
    store,
    get active() {
      return seen.active
    },
    get anchor() {
      return seen.anchor
    },
    get roots() {
      return seen.roots
    },
    get rolled() {
      return seen.rows.filter(({ kind }) => kind === 'root').length > 1
    },
    get rows() {
      return seen.rows
    },
    async lockActive(tx) {
      const [row] = await prepared(tx, holdActive).execute()
      // With the caller's connection: all the others may be waiting for this one.
      if (row && !seen.opened.has(row.name)) await lookAgain(tx)
      const issuer = row && seen.opened.get(row.name)
      if (!issuer) throw new MusterError('unavailable', 'the key of the active issuer cannot be used here')
      return issuer
    },
    find: (name) => seen.opened.get(name),
    async chainOf(name) {
      if (!seen.chains.has(name)) await refresh()
      const chain = seen.chains.get(name)
      if (!chain) throw new MusterError('unavailable', `the chain of issuer ${name} is not at hand`)
      return chain
    },
    refresh,
    onChange: (listener) => void listeners.push(listener),
  }
}

const holdActive = (tx: Tx) =>
  tx
    .select({ name: issuers.name })
    .from(issuers)
    .where(and(eq(issuers.kind, 'issuing'), eq(issuers.state, 'active')))
    .for('key share')
    .prepare('hold_active_issuer')

function arrange(rows: readonly IssuerRow[], active: Issuer, opened: Map<string, Issuer>) {
  const trust = readTrust(rows)
  const chains = new Map<string, X509Certificate[]>()
  for (const [name, issuer] of opened) chains.set(name, [...issuer.chain, ...leadToAnchor(issuer.root, trust).path])
  return { chains, active, anchor: leadToAnchor(active.root, trust).anchor, roots: trust.roots }
}
