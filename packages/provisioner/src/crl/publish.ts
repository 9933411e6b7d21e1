import { crls, issuers, type Tx } from '@muster/db'
import { type CrlEntries, type Issuer, signCrl } from '@muster/pki'
import { eq, getTableColumns, sql } from 'drizzle-orm'
import type { Deps } from '../context.ts'
import type { RevocationLists } from './lists.ts'
import { loadRevocations } from './load-revocations.ts'
import { type CrlName, type PkiPlaces, shardCount } from './places.ts'

export interface CrlSettings {
  periodMs: number
  lifetimeMs: number
  /** From so many entries on, the CRL of an issuer is cut into shards; never where it is absent. */
  shardAbove?: number | undefined
}

export interface Publishing extends Pick<Deps, 'db' | 'now'> {
  settings: CrlSettings
  places: PkiPlaces
  /** Once for each certificate that this process learns to be revoked. */
  onRevoked(serial: string): void
  /** Whether what has changed may wait: it is learned all the same. */
  isResting?: boolean
}

/** Clocks of provisioners may be so far apart, transactions included; what is later still is found on schedule. */
const marginMs = 900_000

export type CrlRow = Omit<typeof crls.$inferSelect, 'der'> & { bytes: number }

/**
 * Brings an issuer's lists up to date and signs those CRLs that have changed or are due. One provisioner at a time: what
 * another has published is committed, so it is loaded here before the next one is made, and no CRL lacks what an earlier had.
 */
export async function publishCrls(publishing: Publishing, issuer: Issuer, lists: RevocationLists): Promise<CrlRow[]> {
  const { db, now, settings, places } = publishing
  return db.transaction(async (tx) => {
    await tx.select({ name: issuers.name }).from(issuers).where(eq(issuers.name, issuer.name)).for('no key update')
    const rows = await readRows(tx, issuer.name)
    const complete = rows.find(({ shard, kind }) => shard === 0 && kind === 'full')
    const delta = rows.find(({ kind }) => kind === 'delta')
    // A clock behind another provisioner's does not turn back the time of the CRLs.
    const at = wholeSecond(new Date(Math.max(now().getTime(), complete?.thisUpdate.getTime() ?? 0)))
    const isDue = (row: CrlRow | undefined) => !row || at.getTime() >= row.thisUpdate.getTime() + settings.periodMs

    if (rows.some(({ shard }) => shard > 0) && lists.shards.length === 0) lists.cut()
    // RFC 5280 §3.3: listed once more after its end; counted from what is published, so that all provisioners drop the same.
    const endsAfter = new Date((complete?.thisUpdate ?? at).getTime() - settings.lifetimeMs)
    await load(publishing, tx, issuer, lists, { everything: isDue(complete), endsAfter })
    if (settings.shardAbove && lists.complete.size > settings.shardAbove && lists.shards.length === 0) {
      lists.cut()
      await load(publishing, tx, issuer, lists, { everything: true, endsAfter })
    }
    lists.removeExpired(endsAfter)
    if (publishing.isResting && !isDue(complete)) return rows

    const put = async (name: CrlName, row: CrlRow | undefined, entries: CrlEntries, more: Base = {}) => {
      entries.removeExpired(new Date(at.getTime() - settings.lifetimeMs))
      const number = more.number ?? (row?.number ?? 0) + 1
      const signed = await sign(publishing, issuer, { name, number, at, entries, more })
      await store(tx, signed)
    }
    if (isDue(complete) || complete?.entries !== lists.complete.size) {
      await put({ issuer: issuer.name, shard: 0, kind: 'full' }, complete, lists.complete)
      const base = chooseBase(delta, complete, at, settings)
      await prepareRecent(tx, issuer, lists, base.baseAt, endsAfter)
      if (lists.recent)
        await put({ issuer: issuer.name, shard: 0, kind: 'delta' }, delta, lists.recent.entries, {
          ...base,
          number: (complete?.number ?? 0) + 1,
        })
    }
    for (const [index, entries] of lists.shards.entries()) {
      const row = rows.find(({ shard }) => shard === index + 1)
      if (isDue(row) || row?.entries !== entries.size)
        await put({ issuer: issuer.name, shard: index + 1, kind: 'full' }, row, entries)
    }
    const shown = await readRows(tx, issuer.name)
    if (shown.filter(({ shard }) => shard > 0).length === shardCount) places.sharded.add(issuer.name)
    return shown
  })
}

const wholeSecond = (at: Date) => new Date(Math.floor(at.getTime() / 1_000) * 1_000)

async function readRows(tx: Tx, issuer: string): Promise<CrlRow[]> {
  const { der, ...columns } = getTableColumns(crls)
  return tx
    .select({ ...columns, bytes: sql<number>`octet_length(${der})` })
    .from(crls)
    .where(eq(crls.issuer, issuer))
}

async function load(
  { now, onRevoked }: Publishing,
  tx: Tx,
  { name }: Issuer,
  lists: RevocationLists,
  { everything, endsAfter }: { everything: boolean; endsAfter: Date },
): Promise<void> {
  const startedAt = now()
  const known = lists.loadedAt && Math.min(lists.loadedAt.getTime(), startedAt.getTime())
  const since = everything || known === undefined ? undefined : new Date(known - marginMs)
  for await (const revoked of loadRevocations(tx, { issuer: name, since, endsAfter }))
    if (lists.add(revoked)) onRevoked(revoked.serial)
  lists.loadedAt = startedAt
}

interface Base {
  number?: number
  baseNumber?: number
  baseAt?: Date
}

/**
 * A delta CRL serves who has its base or a later complete CRL. When the base has expired, the complete CRL that has been in
 * force until now takes its place. Number 0 is the empty list before the first.
 */
function chooseBase(
  delta: CrlRow | undefined,
  complete: CrlRow | undefined,
  at: Date,
  { lifetimeMs }: CrlSettings,
): { baseNumber: number; baseAt: Date } {
  const { baseNumber, baseAt } = delta ?? {}
  if (typeof baseNumber === 'number' && baseAt && at.getTime() < baseAt.getTime() + lifetimeMs)
    return { baseNumber, baseAt }
  return { baseNumber: complete?.number ?? 0, baseAt: complete?.thisUpdate ?? new Date(0) }
}

async function prepareRecent(tx: Tx, issuer: Issuer, lists: RevocationLists, baseAt: Date, endsAfter: Date) {
  const since = new Date(baseAt.getTime() - marginMs)
  if (lists.recent?.since.getTime() === since.getTime()) return
  lists.startRecent(since)
  for await (const revoked of loadRevocations(tx, { issuer: issuer.name, since, endsAfter })) lists.add(revoked)
}

interface Signing {
  name: CrlName
  number: number
  at: Date
  entries: CrlEntries
  more: Base
}

async function sign({ places, settings }: Publishing, issuer: Issuer, signing: Signing) {
  const { name, number, at, entries, more } = signing
  const end = issuer.certificate.validToDate.getTime()
  const nextUpdate = new Date(Math.min(at.getTime() + settings.lifetimeMs, end))
  const isComplete = name.shard === 0 && name.kind === 'full'
  const { baseNumber, baseAt } = more
  const crl = await signCrl(issuer, {
    ...{ number, thisUpdate: at, nextUpdate, entries },
    // RFC 5280 §5.2.4: a delta CRL has the scope of the complete one.
    urls: places.crlUrls({ ...name, kind: 'full' }),
    ...(baseNumber !== undefined && { baseNumber }),
    ...(isComplete && { freshestUrls: places.crlUrls({ ...name, kind: 'delta' }) }),
  })
  const base = { baseNumber: baseNumber ?? null, baseAt: baseAt ?? null }
  return { ...name, number, der: crl.der(), thisUpdate: at, nextUpdate, entries: entries.size, ...base }
}

async function store(tx: Tx, row: typeof crls.$inferInsert): Promise<void> {
  const { issuer, shard, kind, ...content } = row
  await tx
    .insert(crls)
    .values({ issuer, shard, kind, ...content })
    .onConflictDoUpdate({ target: [crls.issuer, crls.shard, crls.kind], set: content })
}
