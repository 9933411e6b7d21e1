import { type CrlEntries, createCrlEntries, type RevokedCertificate } from '@muster/pki'
import { shardCount, shardNumber } from './places.ts'

/** What of one issuer is revoked, kept as its CRLs write it. */
export interface RevocationLists {
  readonly complete: CrlEntries
  /** None until the complete CRL has become large. */
  readonly shards: readonly CrlEntries[]
  /** Revoked since then, for the delta CRL. */
  readonly recent: { since: Date; entries: CrlEntries } | undefined
  /** Everything that was committed before is here. */
  loadedAt: Date | undefined
  /** False for what is known already. */
  add(revoked: RevokedCertificate): boolean
  removeExpired(before: Date): void
  /** Empties everything, to be filled anew. */
  cut(): void
  /** The delta CRL starts anew; the caller adds what belongs there. */
  startRecent(since: Date): void
}

export function createRevocationLists(): RevocationLists {
  let complete = createCrlEntries()
  let shards: CrlEntries[] = []
  let recent: RevocationLists['recent']
  return {
    get complete() {
      return complete
    },
    get shards() {
      return shards
    },
    get recent() {
      return recent
    },
    loadedAt: undefined,
    add(revoked) {
      if (recent && revoked.revokedAt >= recent.since) recent.entries.add(revoked)
      if (shards.length > 0) shards[shardNumber(revoked.serial) - 1]?.add(revoked)
      return complete.add(revoked)
    },
    removeExpired(before) {
      for (const entries of [complete, ...shards, ...(recent ? [recent.entries] : [])]) entries.removeExpired(before)
    },
    cut() {
      complete = createCrlEntries()
      shards = Array.from({ length: shardCount }, () => createCrlEntries())
      recent = undefined
      this.loadedAt = undefined
    },
    startRecent(since) {
      recent = { since, entries: createCrlEntries() }
    },
  }
}
