import type { IncomingHttpHeaders } from 'node:http'
import { request } from 'node:https'
import { MusterError } from '@muster/contracts'
import { serverDistrust } from './server-distrust.ts'
import { TemporaryFailure } from './temporary-failure.ts'

export interface HttpsRequest {
  url: URL
  /** PEM; the only certificates a server is trusted for. Without it the server is not verified at all. */
  ca: string | undefined
  /** Sent as JSON by POST. */
  body?: unknown
  maxBytes: number
  timeoutMs: number
  signal: AbortSignal | undefined
}

export interface HttpsAnswer {
  status: number
  headers: IncomingHttpHeaders
  body: string
}

/**
 * One request on a connection of its own.
 * @throws TemporaryFailure if there was no whole answer; MusterError `certificate-untrusted`; the reason of `signal`
 */
export async function send(call: HttpsRequest): Promise<HttpsAnswer> {
  const deadline = AbortSignal.timeout(call.timeoutMs)
  try {
    return await exchange(call, call.signal ? AbortSignal.any([call.signal, deadline]) : deadline)
  } catch (error) {
    call.signal?.throwIfAborted()
    if (deadline.aborted) throw unreachable(call.url, `no answer in ${call.timeoutMs} ms`, error)
    if (!(error instanceof Error)) throw error
    throw serverDistrust(error, call.url.host) ?? unreachable(call.url, error.message, error)
  }
}

function exchange({ url, ca, body, maxBytes }: HttpsRequest, signal: AbortSignal): Promise<HttpsAnswer> {
  const text = body === undefined ? undefined : JSON.stringify(body)
  return new Promise((resolve, reject) => {
    const outgoing = request(
      url,
      {
        method: text === undefined ? 'GET' : 'POST',
        headers: {
          accept: 'application/json, application/problem+json',
          ...(text !== undefined && { 'content-type': 'application/json', 'content-length': Buffer.byteLength(text) }),
        },
        agent: false,
        signal,
        ...(ca === undefined ? { rejectUnauthorized: false } : { ca: [ca], rejectUnauthorized: true }),
      },
      (incoming) => {
        const chunks: Buffer[] = []
        let size = 0
        incoming.on('data', (chunk: Buffer) => {
          size += chunk.length
          chunks.push(chunk)
          if (size > maxBytes) outgoing.destroy(new Error(`the answer is larger than ${maxBytes} bytes`))
        })
        incoming.on('error', reject)
        incoming.on('end', () =>
          resolve({
            status: incoming.statusCode ?? 0,
            headers: incoming.headers,
            body: Buffer.concat(chunks).toString('utf8'),
          }),
        )
      },
    )
    outgoing.on('error', reject)
    outgoing.end(text)
  })
}

function unreachable(url: URL, why: string, cause: unknown): TemporaryFailure {
  return new TemporaryFailure(new MusterError('unavailable', `${url.host}: ${why}`, { cause }))
}
