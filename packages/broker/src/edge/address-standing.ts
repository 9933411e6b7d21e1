/** How an address has behaved lately, and with that when its connections are taken on. */
export interface AddressStanding {
  /** 0: has devices here, or had lately; 1: nothing is known; 2: little good has come of it. */
  rank(group: string): 0 | 1 | 2
  /** Nothing good comes from there: to be dropped unread. Says no ten times a second: an honest device may be among them. */
  isShut(group: string): boolean
  admitted(group: string): void
  /** An admitted connection has ended. */
  left(group: string): void
  /** A handshake that led to nobody. */
  failed(group: string): void
  /** Something that cost little, or is held against a certificate first. */
  refused(group: string): void
  shutCount(): number
}

interface Standing {
  live: number
  /** Both fade: half of them is forgotten in `halfLifeMs`. */
  admitted: number
  failed: number
  at: number
  probeAt: number
}

const halfLifeMs = 30_000
const probeEveryMs = 100
const shutAbove = 100
const refusalCounts = 0.1

export function createAddressStanding({ maxAddresses, now }: { maxAddresses: number; now(): number }): AddressStanding {
  const standings = new Map<string, Standing>()

  function fade(standing: Standing): Standing {
    const at = now()
    const kept = 0.5 ** ((at - standing.at) / halfLifeMs)
    standing.admitted *= kept
    standing.failed *= kept
    standing.at = at
    return standing
  }

  /** The one longest not heard of makes room. */
  function touch(group: string): Standing {
    const known = standings.get(group)
    const standing = known ? fade(known) : { live: 0, admitted: 0, failed: 0, at: now(), probeAt: 0 }
    standings.delete(group)
    standings.set(group, standing)
    if (standings.size > maxAddresses) makeRoom()
    return standing
  }

  function makeRoom() {
    let looked = 0
    for (const [group, { live }] of standings) {
      if (live === 0 || ++looked > 8) return void standings.delete(group)
    }
  }

  // One bad device among many behind one address does not shut them out: whoever has anybody here is only put last.
  const isBad = ({ live, admitted, failed }: Standing) => live === 0 && failed > shutAbove && failed > 10 * admitted
  const isDoubtful = ({ live, admitted, failed }: Standing) => failed > 5 && failed > 2 * (admitted + live)

  return {
    rank(group) {
      const standing = standings.get(group)
      if (!standing) return 1
      fade(standing)
      if (isDoubtful(standing)) return 2
      return standing.live > 0 || standing.admitted > 0.1 ? 0 : 1
    },

    isShut(group) {
      const standing = standings.get(group)
      if (!standing || standing.failed <= shutAbove || !isBad(fade(standing))) return false
      if (now() < standing.probeAt) return true
      standing.probeAt = now() + probeEveryMs
      return false
    },

    admitted(group) {
      const standing = touch(group)
      standing.live += 1
      standing.admitted += 1
    },

    left(group) {
      const standing = standings.get(group)
      if (standing && standing.live > 0) standing.live -= 1
    },

    failed(group) {
      touch(group).failed += 1
    },

    refused(group) {
      touch(group).failed += refusalCounts
    },

    shutCount: () => [...standings.values()].filter((standing) => isBad(standing)).length,
  }
}
