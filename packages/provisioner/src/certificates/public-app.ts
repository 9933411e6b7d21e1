import type { Issuer } from '@muster/pki'
import { encodePem } from '@muster/pki'
import { Hono } from 'hono'

const dayCache = { 'cache-control': 'public, max-age=3600' }

/** Plain HTTP: what is signed in itself, for those who are about to check signatures. */
export function createPublicApp(issuer: Issuer): Hono {
  const app = new Hono()
  const certificates = new Map([
    ['root.crt', issuer.root.raw],
    [`${issuer.name}.crt`, issuer.certificate.raw],
  ])
  app.get('/ca/roots.pem', (c) =>
    c.body(encodePem('CERTIFICATE', issuer.root.raw), 200, { 'content-type': 'application/x-pem-file', ...dayCache }),
  )
  app.get('/ca/:file', (c) => {
    const der = certificates.get(c.req.param('file'))
    // RFC 5280 §4.2.2.1
    return der
      ? c.body(new Uint8Array(der), 200, { 'content-type': 'application/pkix-cert', ...dayCache })
      : c.notFound()
  })
  return app
}
