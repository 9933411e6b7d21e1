import { X509Certificate } from 'node:crypto'
import type { issuers } from '@muster/db'

export type IssuerRow = typeof issuers.$inferSelect

export interface Trust {
  /** Every root that is not retired, the oldest first. */
  roots: X509Certificate[]
  /** Cross certificates that still lead somewhere. */
  crosses: X509Certificate[]
}

export function readTrust(rows: readonly IssuerRow[]): Trust {
  const live = rows.filter(({ state }) => state !== 'retired')
  const ofKind = (kind: IssuerRow['kind']) =>
    live.filter((row) => row.kind === kind).map(({ der }) => new X509Certificate(der))
  return { roots: ofKind('root'), crosses: ofKind('cross') }
}

/** From a root back to the oldest root that still vouches for it: what those need that know only that one. */
export function leadToAnchor(root: X509Certificate, { roots, crosses }: Trust) {
  const path: X509Certificate[] = []
  let anchor = root
  for (let turn = 0; turn < crosses.length; turn++) {
    const step = crosses
      .filter(({ publicKey }) => publicKey.equals(anchor.publicKey))
      .flatMap((cross) => {
        const above = roots.find((candidate) => cross.checkIssued(candidate) && cross.verify(candidate.publicKey))
        return above ? [{ cross, above }] : []
      })[0]
    if (!step) break
    path.push(step.cross)
    anchor = step.above
  }
  return { path, anchor }
}
