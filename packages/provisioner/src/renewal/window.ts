import type { renewalWindows } from '@muster/db'
import { type CertificateRow, issuedAt } from '../certificates/issue.ts'

export interface Span {
  start: Date
  end: Date
}

export type PulledWindow = typeof renewalWindows.$inferSelect

const defaultShare = { start: 2 / 3, end: 11 / 12 }

/**
 * When a certificate is to be renewed: late in its life, or in the first of the windows that operators have pulled forward.
 * Each certificate has its own part of either, so that a fleet which was enrolled in one hour is not back in one hour.
 */
export function chooseWindow(certificate: CertificateRow, pulled: readonly PulledWindow[]): Span {
  const issued = issuedAt(certificate)
  const lifeMs = certificate.notAfter.getTime() - issued.getTime()
  const after = (share: number) => new Date(issued.getTime() + Math.floor(lifeMs * share))
  const spans: Span[] = [{ start: after(defaultShare.start), end: after(defaultShare.end) }]
  // A younger certificate is what the window asked for.
  for (const { createdAt, startsAt, endsAt } of pulled)
    if (issued < createdAt) spans.push({ start: startsAt, end: endsAt })
  const parts = spans.map((span) => takePart(span, certificate.serial))
  return parts.reduce((first, part) => (part.start < first.start ? part : first))
}

/** A third of the span, beginning somewhere in its first two thirds. Serial numbers are random. */
function takePart({ start, end }: Span, serial: string): Span {
  const lengthMs = end.getTime() - start.getTime()
  const spread = Number.parseInt(serial.slice(-8), 16) / 2 ** 32
  const from = start.getTime() + Math.floor((lengthMs * spread * 2) / 3)
  return { start: new Date(from), end: new Date(from + Math.floor(lengthMs / 3)) }
}
