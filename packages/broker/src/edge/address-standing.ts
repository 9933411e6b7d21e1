/** How an address has behaved lately, and with that when its connections are taken on. */
export interface AddressStanding {
  /** 0: has devices here, or had lately; 1: nothing is known; 2: little good has come of it. */
  rank(group: string): 0 | 1 | 2
  /** How many more handshakes may begin for it now, beside those `underWay`; `waiting` have to wait as it is. */
  room(group: string, count: { underWay: number; waiting: number }): number
  /** Only bad has come from there, more of it than is put up with: whoever else comes from there may be turned away. */
  isBad(group: string): boolean
  admitted(group: string): void
  /** An admitted connection has ended. */
  left(group: string): void
  /** A handshake that led to nobody. */
  failed(group: string): void
  /** A handshake after which somebody was refused: that is held against the certificate first. */
  refused(group: string): void
  /** The same, and the certificate had been told so several times just before. */
  hammered(group: string): void
  /** A connection that went no further than its first bytes. */
  stalled(group: string): void
  /** Something that cost little. */
  bothered(group: string): void
  badCount(): number
}

interface Standing {
  live: number
  /** Both fade: half of them is forgotten in `halfLifeMs`. */
  admitted: number
  failed: number
  /** Handshakes that may still be wasted. */
  allowance: number
  /** Connections that wait for it to come back. */
  waiting: number
  at: number
}

const halfLifeMs = 30_000
/** Of somebody who was refused, or of what was no handshake at all. */
const refusalCounts = 0.1
/** How much of the allowance a handshake takes of which it was clear that it would lead to nothing. */
const hammeringTakes = 5
/** How much of the allowance comes back in a second, at least, and how many seconds those who wait may have to: with devices there, and without. */
const back = { good: { least: 5, waitSeconds: 4 }, bad: { least: 1, waitSeconds: 5 } } as const

/** `allowance`: handshakes that an address may waste at once; with less than half of it left, no more are under way than are left. */
export function createAddressStanding(options: {
  maxAddresses: number
  allowance: number
  now(): number
}): AddressStanding {
  const { maxAddresses, allowance, now } = options
  const standings = new Map<string, Standing>()

  const hasGood = ({ live, admitted }: Standing) => live > 0 || admitted > 0.1

  function fade(standing: Standing): Standing {
    const at = now()
    const passedMs = at - standing.at
    const { least, waitSeconds } = hasGood(standing) ? back.good : back.bad
    const returned = (Math.max(least, standing.waiting / waitSeconds) * passedMs) / 1_000
    standing.allowance = Math.min(allowance, standing.allowance + returned)
    const kept = 0.5 ** (passedMs / halfLifeMs)
    standing.admitted *= kept
    standing.failed *= kept
    standing.at = at
    return standing
  }

  /** The one longest not heard of makes room. */
  function touch(group: string): Standing {
    const known = standings.get(group)
    const standing = known ? fade(known) : { live: 0, admitted: 0, failed: 0, allowance, waiting: 0, at: now() }
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

  function waste(group: string, counts: number, takes = 1) {
    const standing = touch(group)
    standing.failed += counts
    standing.allowance = Math.max(0, standing.allowance - takes)
  }

  const isDoubtful = ({ live, admitted, failed }: Standing) => failed > 5 && failed > 2 * (admitted + live)
  const isBad = (standing: Standing) => standing.allowance < allowance / 2 && !hasGood(standing)

  return {
    rank(group) {
      const standing = standings.get(group)
      if (!standing) return 1
      fade(standing)
      if (isDoubtful(standing)) return 2
      return hasGood(standing) ? 0 : 1
    },

    room(group, { underWay, waiting }) {
      const standing = standings.get(group)
      if (!standing) return Number.POSITIVE_INFINITY
      fade(standing)
      standing.waiting = waiting
      if (standing.allowance >= allowance / 2) return Number.POSITIVE_INFINITY
      return Math.max(0, Math.floor(standing.allowance) - underWay)
    },

    isBad(group) {
      const standing = standings.get(group)
      return standing !== undefined && isBad(standing)
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

    failed: (group) => waste(group, 1),
    refused: (group) => waste(group, refusalCounts),
    hammered: (group) => waste(group, refusalCounts, hammeringTakes),

    stalled(group) {
      touch(group).failed += 1
    },

    bothered(group) {
      touch(group).failed += refusalCounts
    },

    badCount: () => [...standings.values()].filter((standing) => isBad(fade(standing))).length,
  }
}
