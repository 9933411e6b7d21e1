import { hash } from 'node:crypto'
import { encodeOcspError } from '@muster/pki'
import type { Context, Hono } from 'hono'
import { bodyLimit } from 'hono/body-limit'
import type { AppEnv } from '../http/env.ts'
import { maxAge } from '../http/max-age.ts'
import type { OcspAnswers, OcspReply } from './answer.ts'

const maxBodyBytes = 4 * 1024
const mediaType = { 'content-type': 'application/ocsp-response' }

export function addOcspRoutes(app: Hono<AppEnv>, { ocsp, now }: { ocsp: OcspAnswers; now(): Date }): void {
  const limit = bodyLimit({
    maxSize: maxBodyBytes,
    onError: (c) =>
      c.body(new Uint8Array(encodeOcspError('malformedRequest')), 200, { ...mediaType, 'cache-control': 'no-store' }),
  })
  const post = async (c: Context<AppEnv>) => {
    const { der } = await ocsp.answer(new Uint8Array(await c.req.arrayBuffer()))
    return c.body(der, 200, { ...mediaType, 'cache-control': 'no-store' })
  }
  app.post('/ocsp', limit, post)
  app.post('/ocsp/', limit, post)
  // Not a parameter: base64 has slashes in it.
  app.get('/ocsp/*', async (c) => {
    const path = new URL(c.req.url).pathname.slice('/ocsp/'.length)
    const reply = await ocsp.answer(path)
    const headers: Record<string, string> = { ...mediaType, ...cacheHeaders(reply, now()) }
    if (headers.etag && c.req.header('if-none-match') === headers.etag) return c.body(null, 304, headers)
    return c.body(reply.der, 200, headers)
  })
}

/** RFC 5019 §6.2. */
function cacheHeaders({ der, kept }: OcspReply, at: Date): Record<string, string> {
  if (!kept) return { 'cache-control': 'no-store' }
  return {
    'cache-control': `max-age=${maxAge(kept.nextUpdate, at)},public,no-transform,must-revalidate`,
    'last-modified': kept.thisUpdate.toUTCString(),
    expires: kept.nextUpdate.toUTCString(),
    etag: `"${hash('sha256', der).slice(0, 32)}"`,
  }
}
