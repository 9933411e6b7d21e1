import type { Context, Hono } from 'hono'
import type { AppEnv } from '../http/env.ts'
import { maxAge } from '../http/max-age.ts'
import type { CrlShelf } from './find.ts'
import type { CrlName } from './places.ts'

export function addCrlRoutes(app: Hono<AppEnv>, { crls, now }: { crls: CrlShelf; now(): Date }): void {
  const serve = async (c: Context<AppEnv>, name: CrlName | undefined) => {
    const crl = name && (await crls.find(name))
    if (!crl) return c.notFound()
    const { etag, thisUpdate, nextUpdate, der } = crl
    const headers = {
      etag,
      'last-modified': thisUpdate.toUTCString(),
      'cache-control': `public, max-age=${maxAge(nextUpdate, now())}`,
      expires: nextUpdate.toUTCString(),
    }
    if (matches(c.req.header('if-none-match'), etag)) return c.body(null, 304, headers)
    // RFC 5280 §4.2.1.13
    return c.body(der, 200, { ...headers, 'content-type': 'application/pkix-crl' })
  }

  app.get('/crl/:file', (c) => {
    const issuer = withoutEnding(c.req.param('file'))
    return serve(c, issuer ? { issuer, shard: 0, kind: 'full' } : undefined)
  })
  app.get('/crl/:issuer/:file', (c) => {
    const { issuer, file } = c.req.param()
    const part = withoutEnding(file)
    if (part === 'delta') return serve(c, { issuer, shard: 0, kind: 'delta' })
    const shard = part && /^[1-9]\d{0,3}$/.test(part) ? Number(part) : 0
    return serve(c, shard > 0 ? { issuer, shard, kind: 'full' } : undefined)
  })
}

const withoutEnding = (file: string) => (file.endsWith('.crl') ? file.slice(0, -'.crl'.length) : undefined)

/** RFC 9110 §13.1.2: any of the list, compared weakly. */
function matches(header: string | undefined, etag: string): boolean {
  const listed = header?.split(',').map((tag) => tag.trim().replace(/^W\//, '')) ?? []
  return listed.includes(etag) || listed.includes('*')
}
