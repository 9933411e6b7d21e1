import { createHash, hkdfSync, randomBytes } from 'node:crypto'

/** How TLS tickets are protected: by the key of their period, shared between nodes, for those who trust the same CAs. */
export interface TicketMaterial {
  /** 48 bytes, as TLS knows them: name, HMAC key, AES key. */
  current(): Buffer
  /** The key of that name, while tickets of it still resume. */
  find(name: Buffer): Buffer | undefined
}

export interface Holding {
  id: string
  period: number
  secret: Buffer
}

/**
 * `held`: what is shared at the moment. Without a key for the current period a node uses one that nobody else has.
 * A change of `authorities` changes every key: a ticket says that a chain was good, and that depends on them.
 */
export function createTicketMaterial(options: {
  held(): readonly Holding[]
  currentPeriod(): number
  /** DER fingerprints of the CAs that are trusted; another array whenever they have changed. */
  authorities(): readonly string[]
}): TicketMaterial {
  const { held, currentPeriod, authorities } = options
  const own = randomBytes(32)
  const derived = new Map<string, Buffer>()
  let trusted: readonly string[] | undefined
  let trust = Buffer.alloc(0)

  function derive(secret: Buffer, id: string, period: number): Buffer {
    const trusts = authorities()
    if (trusts !== trusted) {
      trusted = trusts
      trust = createHash('sha256')
        .update([...trusts].sort().join('\n'))
        .digest()
      derived.clear()
    }
    const label = `${id} ${period}`
    const known = derived.get(label)
    if (known) return known
    const key = Buffer.from(hkdfSync('sha256', secret, trust, `muster session tickets ${period}`, 48))
    if (derived.size > 32) derived.clear()
    derived.set(label, key)
    return key
  }

  /** Of the period before, so that nobody must make a full handshake because a period has ended; of the next, for clocks that differ. */
  function* usable(): Generator<Buffer> {
    const period = currentPeriod()
    for (const holding of held())
      if (Math.abs(holding.period - period) <= 1) yield derive(holding.secret, holding.id, holding.period)
    for (const each of [period, period - 1]) yield derive(own, 'own', each)
  }

  return {
    current() {
      const period = currentPeriod()
      const shared = held().find((holding) => holding.period === period)
      return shared ? derive(shared.secret, shared.id, period) : derive(own, 'own', period)
    },
    find(name) {
      for (const key of usable()) if (key.subarray(0, 16).equals(name)) return key
      return undefined
    },
  }
}
