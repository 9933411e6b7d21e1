import { measureExpiry } from '../certificates/measure-expiry.ts'
import type { Config } from '../config.ts'
import type { Deps } from '../context.ts'
import { type CrlShelf, createCrlShelf } from '../crl/find.ts'
import { measureCrls } from '../crl/measure.ts'
import type { PkiPlaces } from '../crl/places.ts'
import { startCrlPublisher } from '../crl/publisher.ts'
import { createOcspAnswers, type OcspAnswers } from '../ocsp/answer.ts'
import { openResponders } from '../ocsp/responders.ts'

export interface CertificateStatus extends AsyncDisposable {
  crls: CrlShelf
  ocsp: OcspAnswers
}

/** What everybody may ask of a certificate, CRLs and OCSP, kept current; and the metrics of it. */
export async function openStatus(deps: Deps, config: Config, places: PkiPlaces): Promise<CertificateStatus> {
  await using opened = new AsyncDisposableStack()
  const responders = opened.use(await openResponders(deps, config.node))
  const ocsp = createOcspAnswers({ ...deps, responders })
  const publisher = await startCrlPublisher({
    ...deps,
    places,
    settings: config.crl,
    url: config.databaseUrl,
    onPublished: (rows) => measureCrls(deps.metrics, rows),
    onRevoked: ocsp.forget,
  })
  opened.use(publisher)
  measureExpiry(deps)
  const held = opened.move()
  return { crls: createCrlShelf(deps), ocsp, [Symbol.asyncDispose]: () => held.disposeAsync() }
}
