import { platformFleet } from '@muster/contracts'
import type { Db } from '@muster/db'
import type pg from 'pg'
import type { MemberClaim, Share } from './member.ts'

export type MemberRow = MemberClaim & { isLive: boolean }
export type KeyRow = { id: string; period: number }
export type ShareRow = Share & { node: string; isGood: boolean }

const periodText = `select floor(extract(epoch from clock_timestamp()) * 1000 / $1)::int as period,
  extract(epoch from clock_timestamp())::float8 * 1000 as "atMs"`
// A node that the registry has shut out is no member any more, nor one whose certificate is revoked.
const membersText = `
  select m.node, m.public_key as "publicKey", m.signature, c.der as certificate,
    n.left_at is null and n.lease_until > now() as "isLive"
  from ticket_members m join nodes n on n.name = m.node join certificates c on c.serial = m.serial
    join devices d on d.fleet = c.fleet and d.id = c.device
  where c.fleet = $1 and c.device = m.node and c.state <> 'revoked' and d.profile = 'server' and d.state = 'active'`
const keysText = 'select id, period from ticket_keys where period between $1::int - 1 and $1::int + 1'
const sharesText = `
  select s.key, s.period, s.node, s.recipient, s.sender, s.sealed,
    exists (select from devices d where d.fleet = $2 and d.id = s.node and d.state = 'active') as "isGood"
  from ticket_shares s where s.period between $1::int - 1 and $1::int + 1`
const joinText = `
  insert into ticket_members (node, public_key, serial, signature, at) values ($1, $2, $3, $4, now())
  on conflict (node) do update set public_key = $2, serial = $3, signature = $4, at = now()`
// Of several nodes that make a key for one period, the first wins; so it does against whoever replaces a dead one.
const makeText = `
  with made as (
    insert into ticket_keys as old (period, id, at) values ($1, $2, now())
    on conflict (period) do update set id = $2, at = now() where old.id = $3 returning id
  )
  insert into ticket_shares (key, period, node, recipient, sender, sealed)
  select made.id, $1, s.node, s.recipient, $6, s.sealed
  from made, unnest($4::text[], $5::bytea[], $7::bytea[]) as s (node, recipient, sealed)`
const shareText = `
  insert into ticket_shares (key, period, node, recipient, sender, sealed) values ($1, $2, $3, $4, $5, $6)
  on conflict (key, node) do update set recipient = $4, sender = $5, sealed = $6`

export interface TicketState {
  period: number
  /** How far the database's clock is ahead of ours. */
  aheadMs: number
  members: MemberRow[]
  keys: KeyRow[]
  shares: ShareRow[]
}

/** The tables that nodes share their ticket keys through; nothing in them is believed because it is there. */
export function createTicketRegistry({ db, node, periodMs }: { db: Db; node: string; periodMs: number }) {
  const query = <Row extends pg.QueryResultRow>(text: string, values: unknown[]) => db.$client.query<Row>(text, values)
  return {
    async join(publicKey: Buffer, serial: string, signature: Buffer): Promise<void> {
      await query(joinText, [node, publicKey, serial, signature])
    },

    async read(): Promise<TicketState> {
      const { rows: clock } = await query<{ period: number; atMs: number }>(periodText, [periodMs])
      const { period = 0, atMs = Date.now() } = clock[0] ?? {}
      const aheadMs = atMs - Date.now()
      const { rows: members } = await query<MemberRow>(membersText, [platformFleet])
      const { rows: keys } = await query<KeyRow>(keysText, [period])
      const { rows: shares } = await query<ShareRow>(sharesText, [period, platformFleet])
      return { period, aheadMs, members, keys, shares }
    },

    /** `false` when another node was first. */
    async make(key: KeyRow, replaced: string | undefined, shares: (Share & { node: string })[]): Promise<boolean> {
      const [first] = shares
      const column = (name: 'node' | 'recipient' | 'sealed') => shares.map((share) => share[name])
      const columns = [column('node'), column('recipient'), first?.sender, column('sealed')]
      const { rowCount } = await query(makeText, [key.period, key.id, replaced ?? '', ...columns])
      if (!rowCount) return false
      await query('delete from ticket_keys where period < $1::int - 1', [key.period])
      await query('delete from ticket_shares where key not in (select id from ticket_keys)', [])
      return true
    },

    async share({ key, period, node: to, recipient, sender, sealed }: Share & { node: string }): Promise<void> {
      await query(shareText, [key, period, to, recipient, sender, sealed])
    },

    async drop(key: string): Promise<void> {
      await query('delete from ticket_shares where key = $1 and node = $2', [key, node])
    },
  }
}
