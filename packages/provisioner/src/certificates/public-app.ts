import { encodePem } from '@muster/pki'
import { Hono } from 'hono'
import type { Issuers } from '../issuers/open.ts'

const dayCache = { 'cache-control': 'public, max-age=3600' }

/** Plain HTTP: what is signed in itself, for those who are about to check signatures. */
export function createPublicApp(issuers: Pick<Issuers, 'rows' | 'roots'>): Hono {
  const app = new Hono()
  app.get('/ca/roots.pem', (c) => {
    const roots = issuers.roots.map(({ raw }) => encodePem('CERTIFICATE', raw)).join('')
    return c.body(roots, 200, { 'content-type': 'application/x-pem-file', ...dayCache })
  })
  app.get('/ca/:file', (c) => {
    const file = c.req.param('file')
    const found = issuers.rows.find(({ name }) => file === `${name}.crt`)
    // RFC 5280 §4.2.2.1
    return found
      ? c.body(new Uint8Array(found.der), 200, { 'content-type': 'application/pkix-cert', ...dayCache })
      : c.notFound()
  })
  return app
}
