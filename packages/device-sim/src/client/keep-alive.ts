/** A connection that must not be silent for longer than it has promised. */
export interface Kept {
  readonly keepAliveMs: number
  /** `performance.now()` of the last packet sent, and of the last thing received. */
  sentAt: number
  heardAt: number
  ping(): void
  /** Nothing was heard although it was asked for. */
  giveUp(): void
}

const lookMs = 1_000
const kept = new Set<Kept>()
let looking: NodeJS.Timeout | undefined

/** One timer for all connections of the process. */
export function keepAlive(connection: Kept): void {
  kept.add(connection)
  if (looking) return
  looking = setInterval(look, lookMs)
  looking.unref()
}

export function forget(connection: Kept): void {
  kept.delete(connection)
  if (kept.size > 0) return
  clearInterval(looking)
  looking = undefined
}

function look(): void {
  const now = performance.now()
  for (const connection of kept) {
    const { keepAliveMs, sentAt, heardAt } = connection
    // As long again as the broker waits for us.
    if (now - heardAt > silenceMs(keepAliveMs)) connection.giveUp()
    else if (now - sentAt > keepAliveMs * 0.7 || now - heardAt > keepAliveMs) connection.ping()
  }
}

/** After so long without a word a connection is given up: as a broker does, [MQTT-3.1.2-22]. */
export const silenceMs = (keepAliveMs: number) => keepAliveMs * 1.5
