import { sessionKey } from '@muster/contracts'
import type { Registry } from 'prom-client'
import type { Limits } from '../limits.ts'
import type { Observer } from '../observer.ts'
import { parseNetworks } from './address.ts'
import { type AddressStanding, createAddressStanding } from './address-standing.ts'
import { type Arrival, type Arrivals, createArrivals } from './arrivals.ts'
import { type CertificatePenalties, createCertificatePenalties } from './certificate-penalties.ts'
import { createDetention, type Detention } from './detention.ts'
import { createEdgeMetrics } from './edge-metrics.ts'

/** What keeps storms from whoever behaves: who waits, who comes first, who is not heard. */
export interface Edge {
  penalties: CertificatePenalties
  detention: Detention
  standing: AddressStanding
  openArrivals(begin: (arrival: Arrival) => void): Arrivals
  /** Something has changed for a device: what was decided about it before no longer counts. */
  forgive(key: string | undefined): void
  forgiveAll(): void
  /** `act`, and the device of the change is forgiven. */
  forgivingAfter<Change extends { fleet: string; device: string | null }, Rest extends unknown[]>(
    act: (change: Change, ...rest: Rest) => void,
  ): (change: Change, ...rest: Rest) => void
}

export function createEdge(options: {
  limits: Limits
  proxyFrom: readonly string[]
  observer: Pick<Observer, 'refused'>
  registry: Registry
}): Edge {
  const { limits, proxyFrom, observer, registry } = options
  const now = () => performance.now()
  const { rememberedAddresses: maxAddresses, wastedHandshakes: allowance } = limits
  const standing = createAddressStanding({ maxAddresses, allowance, now })
  const penalties = createCertificatePenalties({ maxCertificates: limits.rememberedCertificates, now })
  const balancers = parseNetworks(proxyFrom)
  const detention = createDetention({ limits, penalties, now })
  let arrivals: Arrivals | undefined
  const metrics = createEdgeMetrics(registry, {
    counts: () => arrivals?.counts() ?? { starting: 0, waiting: 0, handshakes: 0, perTurn: 0 },
    penalised: () => ({ address: standing.badCount(), certificate: penalties.size, detained: detention.size }),
  })
  const forgive: Edge['forgive'] = (key) => {
    if (key === undefined) return
    penalties.forgive(key)
    detention.review()
  }
  const forgiveAll = () => {
    penalties.forgiveAll()
    detention.review()
  }
  return {
    penalties,
    detention,
    standing,
    openArrivals(begin) {
      arrivals = createArrivals({
        ...{ limits, standing, balancers, begin },
        dropped: (why) => metrics.dropped.inc({ why }),
        refused: (refusal, address) => observer.refused(refusal, undefined, address),
      })
      return arrivals
    },
    forgive,
    forgiveAll,
    forgivingAfter:
      (act) =>
      (change, ...rest) => {
        const { fleet, device } = change
        // A change of a policy or a group may let in anybody.
        if (device === null) forgiveAll()
        else forgive(sessionKey({ fleet, device }))
        act(change, ...rest)
      },
  }
}
