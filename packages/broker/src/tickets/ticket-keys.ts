import { type KeyObject, randomBytes, randomUUID, X509Certificate } from 'node:crypto'
import { type Db, repeat } from '@muster/db'
import { createMember, isMember, openShare, type Share, sealShare, signMember } from './member.ts'
import { createTicketMaterial, type Holding, type TicketMaterial } from './ticket-material.ts'
import {
  createTicketRegistry,
  type KeyRow,
  type MemberRow,
  type ShareRow,
  type TicketState,
} from './ticket-registry.ts'

export interface TicketKeysOptions {
  db: Db
  node: string
  periodMs: number
  pollMs: number
  credentials(): { key: KeyObject; certificate: string }
  /** Another array whenever they have changed. */
  authorities(): readonly X509Certificate[]
  now(): Date
  onError(error: unknown): void
}

/** The ticket keys of all nodes, kept in step: docs/threat-model.md says what of them is in the database. */
export function openTicketKeys(options: TicketKeysOptions): TicketMaterial & AsyncDisposable {
  const { node, periodMs, pollMs, credentials, authorities, now, onError } = options
  const registry = createTicketRegistry(options)
  const own = createMember(node)
  let held: Holding[] = []
  let aheadMs = 0

  async function look() {
    const state = await registry.read()
    aheadMs = state.aheadMs
    const members = state.members.filter(isTrusted)
    if (!members.some(isUs)) await join()
    // The next one is made ahead, so that no node needs the database at the moment of the change.
    for (const period of [state.period, state.period + 1]) await keep(period, state, members, true)
    await keep(state.period - 1, state, members, false)
    held = held.filter((holding) => Math.abs(holding.period - state.period) <= 1)
  }

  async function join() {
    const { key, certificate } = credentials()
    await registry.join(
      own.publicKey,
      new X509Certificate(certificate).serialNumber.toLowerCase(),
      signMember(own, key),
    )
  }

  const isUs = (member: MemberRow) => member.node === node && member.publicKey.equals(own.publicKey)

  function isTrusted(claim: MemberRow): boolean {
    try {
      return isMember(claim, authorities(), now())
    } catch {
      return false
    }
  }

  async function keep(period: number, state: TicketState, members: MemberRow[], mayMake: boolean) {
    const key = state.keys.find((row) => row.period === period)
    const shares = state.shares.filter((share) => share.key === key?.id)
    const live = members.filter(({ isLive }) => isLive)
    const isSound = (share: Share) => members.some(({ publicKey }) => publicKey.equals(share.sender))
    const shareOf = (member: MemberRow) =>
      shares.find((one) => one.node === member.node && one.recipient.equals(member.publicKey) && isSound(one))
    let holding = held.find((each) => each.period === period && each.id === key?.id)
    held = held.filter((each) => each.period !== period)
    // Known to somebody who has been shut out since: it protects nothing any more.
    const isDead = shares.some(({ isGood }) => !isGood)
    if (!key || isDead || !live.some(shareOf)) {
      if (mayMake && live.some(isUs)) await make({ period, id: randomUUID() }, key?.id, live)
      return
    }
    const mine = shares.find((share) => share.node === node && share.recipient.equals(own.publicKey))
    if (!holding && mine && isSound(mine)) holding = await open(mine)
    if (!holding) return
    held.push(holding)
    for (const member of live) if (!shareOf(member)) await registry.share(sealFor(holding, member))
  }

  async function make(key: KeyRow, replaced: string | undefined, live: MemberRow[]) {
    const holding = { ...key, secret: randomBytes(32) }
    const shares = live.map((member) => sealFor(holding, member))
    if (await registry.make(key, replaced, shares)) held.push(holding)
    else poll.hurry()
  }

  function sealFor({ secret, id, period }: Holding, member: MemberRow) {
    return { ...sealShare(secret, own, member.publicKey, id, period), node: member.node }
  }

  /** One that cannot be opened was not made by a node: it is taken away, and counts for nobody. */
  async function open(mine: ShareRow): Promise<Holding | undefined> {
    try {
      return { id: mine.key, period: mine.period, secret: openShare(mine, own) }
    } catch (error) {
      onError(error)
      await registry.drop(mine.key)
      return undefined
    }
  }

  const poll = repeat(look, { everyMs: pollMs, onError })
  poll.hurry()
  const material = createTicketMaterial({
    held: () => held,
    currentPeriod: () => Math.floor((Date.now() + aheadMs) / periodMs),
    authorities: rememberFingerprints(authorities),
  })
  return { ...material, [Symbol.asyncDispose]: () => poll[Symbol.asyncDispose]() }
}

/** They are asked for with every handshake, and change hardly ever. */
function rememberFingerprints(authorities: TicketKeysOptions['authorities']): () => readonly string[] {
  let of: readonly X509Certificate[] | undefined
  let fingerprints: readonly string[] = []
  return () => {
    const now = authorities()
    if (now === of) return fingerprints
    of = now
    fingerprints = now.map(({ fingerprint256 }) => fingerprint256)
    return fingerprints
  }
}
