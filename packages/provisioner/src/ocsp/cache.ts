export interface SignedAnswer {
  der: Uint8Array<ArrayBuffer>
  thisUpdate: Date
  nextUpdate: Date
}

/** Signed answers by certificate, and by the way it was asked for. The longest unused go first. */
export interface AnswerCache {
  readonly size: number
  find(serial: string, certId: string): SignedAnswer | undefined
  /** Before the registry is asked; what has been forgotten since makes `add` do nothing. */
  start(): number
  add(serial: string, certId: string, answer: SignedAnswer, started: number): void
  forget(serial: string): void
}

/** Two hashes, each with parameters and without: there are no more ways. */
const maxWays = 4

export function createAnswerCache(maxCertificates: number): AnswerCache {
  const answers = new Map<string, Map<string, SignedAnswer>>()
  let forgotten = 0
  return {
    get size() {
      return answers.size
    },
    find(serial, certId) {
      const ways = answers.get(serial)
      if (!ways) return undefined
      answers.delete(serial)
      answers.set(serial, ways)
      return ways.get(certId)
    },
    start: () => forgotten,
    add(serial, certId, answer, started) {
      if (started !== forgotten) return
      const ways = answers.get(serial) ?? new Map<string, SignedAnswer>()
      if (ways.size >= maxWays && !ways.has(certId)) return
      ways.set(certId, answer)
      answers.set(serial, ways)
      const [oldest] = answers.keys()
      if (answers.size > maxCertificates && oldest !== undefined) answers.delete(oldest)
    },
    forget(serial) {
      forgotten++
      answers.delete(serial)
    },
  }
}
