import { encodePem } from '@muster/pki'
import { Hono } from 'hono'
import type { Deps } from '../context.ts'
import type { CrlShelf } from '../crl/find.ts'
import { addCrlRoutes } from '../crl/routes.ts'
import type { AppEnv } from '../http/env.ts'
import type { OcspAnswers } from '../ocsp/answer.ts'
import { addOcspRoutes } from '../ocsp/routes.ts'
import { createErrorHandler } from '../problem.ts'

const hourCache = { 'cache-control': 'public, max-age=3600' }

export interface PublicDeps extends Pick<Deps, 'log' | 'now'> {
  issuers: Pick<Deps['issuers'], 'rows' | 'roots'>
  crls: CrlShelf
  ocsp: OcspAnswers
}

/** Plain HTTP: what is signed in itself, for those who are about to check signatures. */
export function createPublicApp({ issuers, crls, ocsp, log, now }: PublicDeps): Hono<AppEnv> {
  const app = new Hono<AppEnv>()
  app.onError(createErrorHandler(log))
  app.get('/ca/roots.pem', (c) => {
    const roots = issuers.roots.map(({ raw }) => encodePem('CERTIFICATE', raw)).join('')
    return c.body(roots, 200, { 'content-type': 'application/x-pem-file', ...hourCache })
  })
  app.get('/ca/:file', (c) => {
    const file = c.req.param('file')
    const found = issuers.rows.find(({ name }) => file === `${name}.crt`)
    // RFC 5280 §4.2.2.1
    return found
      ? c.body(new Uint8Array(found.der), 200, { 'content-type': 'application/pkix-cert', ...hourCache })
      : c.notFound()
  })
  addCrlRoutes(app, { crls, now })
  addOcspRoutes(app, { ocsp, now })
  return app
}
