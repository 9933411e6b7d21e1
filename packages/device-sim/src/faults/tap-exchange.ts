import type { Wiretap } from '../network/line.ts'
import { applicationData, readRecords } from './read-records.ts'

interface ExchangeEvents {
  /** The request has left, and the server has heard of it. */
  onSent(): void
  /** Its answer never arrives. Called when the server has sent all of it: what it has to say is committed then. */
  onLost?: (() => void) | undefined
}

/** Less is a refusal, or nothing but session tickets. */
const leastAnswerBytes = 2_000

/** More than session tickets, which come before the answer. */
const leastRootBytes = 900

/**
 * Watches a first contact: the root is asked for, and with `onNext`, before any byte of it has left, another exchange begins on the same connection.
 */
export function tapFirstContact(onNext: () => void, exchange: ExchangeEvents): Wiretap {
  const next = tapExchange(exchange)
  let isAsking = false
  let answered = 0
  let isNext = false
  const readSent = readRecords((type) => {
    if (isNext || type !== applicationData) return
    isAsking = true
    if (answered < leastRootBytes) return
    isNext = true
    onNext()
  })
  return {
    sent(chunk) {
      readSent(chunk)
      if (isNext) next.sent?.(chunk)
    },
    received(chunk) {
      if (isNext) return next.received?.(chunk) ?? true
      if (isAsking) answered += chunk.length
      return true
    },
    ended: () => (isNext ? next.ended?.() : undefined),
  }
}

/**
 * Watches one HTTPS exchange below its TLS. What a client sends once it has keys is the end of its handshake (TLS 1.3, with the request right
 * behind) or its request (1.2): what the server sends after that is the answer, and session tickets, which nobody misses.
 */
export function tapExchange({ onSent, onLost }: ExchangeEvents): Wiretap {
  let isAsking = false
  let answered = 0
  return {
    sent: readRecords((type) => {
      isAsking ||= type === applicationData
    }),
    received(chunk) {
      if (!isAsking) return true
      if (answered === 0) onSent()
      answered += chunk.length
      return onLost === undefined
    },
    ended() {
      if (onLost === undefined || !isAsking) return undefined
      if (answered >= leastAnswerBytes) onLost()
      return Object.assign(new Error('the connection was reset'), { code: 'ECONNRESET' })
    },
  }
}
