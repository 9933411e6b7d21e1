import { MusterError } from '@muster/contracts'
import { decodeEstBody, encodeEstBody } from '@muster/pki'
import type { Context } from 'hono'
import type { ContentfulStatusCode } from 'hono/utils/http-status'
import type { AppEnv } from '../http/env.ts'

/** RFC 7030 §4.2.1: a PKCS#10 request, base64 whatever the header says of the encoding (RFC 8951 §3.1). */
export async function readRequest(c: Context<AppEnv>): Promise<Buffer> {
  const type = c.req.header('content-type')?.split(';')[0]?.trim().toLowerCase()
  if (type !== 'application/pkcs10')
    throw new MusterError('media-type-unsupported', 'the body must be application/pkcs10')
  return decodeEstBody(await c.req.text())
}

/** RFC 7030 §4.1.3, §4.2.3, §4.5.2 */
const types = {
  certificates: 'application/pkcs7-mime; smime-type=certs-only',
  attributes: 'application/csrattrs',
} as const

export function answerEst<Status extends ContentfulStatusCode>(
  c: Context<AppEnv>,
  kind: keyof typeof types,
  der: Uint8Array,
  status: Status,
) {
  return c.body(encodeEstBody(der), status, {
    'content-type': types[kind],
    'content-transfer-encoding': 'base64',
  })
}
