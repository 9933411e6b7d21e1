import type { X509Certificate } from 'node:crypto'
import type { IncomingHttpHeaders } from 'node:http'
import { request } from 'node:https'
import { MusterError } from '@muster/contracts'
import type { Credentials } from '../store/load-credentials.ts'
import type { DeviceClock } from '../trust/device-clock.ts'
import type { Open } from '../trust/dial.ts'
import { openTls, openUntrustedTls } from '../trust/open-tls.ts'
import type { Shown } from '../trust/require-trusted-server.ts'
import { serverDistrust } from '../trust/server-distrust.ts'
import { type Line, openLine } from './line.ts'
import { TemporaryFailure } from './temporary-failure.ts'

export interface HttpsRequest {
  url: URL
  /** The only certificates (PEM) that vouch for the server, and by which time. Without it the server is not verified at all. */
  trust: { roots: string; clock: DeviceClock } | undefined
  /** In place of a connection of its own: one that is there, to a server that the caller trusts. */
  line?: Line | undefined
  /** Leaves a connection to a server that is not verified to the caller, in the answer. */
  keepLine?: boolean
  dial?: Open | undefined
  /** For mutual TLS. */
  credentials?: Credentials | undefined
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
  /** Of a server that was verified. */
  certificate: X509Certificate | undefined
  /** Where it was asked for and may be used again, with what the server has shown of itself. */
  kept?: { line: Line; host: string; shown: Shown }
}

/**
 * One request, on a connection of its own unless there is one.
 * @throws TemporaryFailure if there was no whole answer; MusterError `certificate-untrusted`; the reason of `signal`
 */
export async function send(call: HttpsRequest): Promise<HttpsAnswer> {
  const deadline = AbortSignal.timeout(call.timeoutMs)
  try {
    return await exchange(call, call.signal ? AbortSignal.any([call.signal, deadline]) : deadline)
  } catch (error) {
    call.signal?.throwIfAborted()
    if (deadline.aborted) throw unreachable(call.url, `no answer in ${call.timeoutMs} ms`, error)
    if (!(error instanceof Error) || error instanceof MusterError || error instanceof TemporaryFailure) throw error
    throw serverDistrust(error, call.url.host) ?? unreachable(call.url, error.message, error)
  }
}

async function exchange(call: HttpsRequest, signal: AbortSignal): Promise<HttpsAnswer> {
  const { trust, dial, credentials, keepLine = false } = call
  if (call.line) return { ...(await exchangeOver(call.line, call, signal)), certificate: undefined }
  const place = { ...targetOf(call.url), dial, signal }
  if (trust) {
    const { socket, certificate } = await openTls({ ...place, ...trust, credentials })
    using line = openLine(socket, false)
    return { ...(await exchangeOver(line, call, signal)), certificate }
  }
  const { socket, shown } = await openUntrustedTls(place)
  using ending = new DisposableStack()
  const line = ending.use(openLine(socket, keepLine))
  const answer = { ...(await exchangeOver(line, call, signal)), certificate: undefined }
  if (!line.isOpen) return answer
  ending.move()
  return { ...answer, kept: { line, host: place.host, shown } }
}

function exchangeOver(
  { agent }: Line,
  call: HttpsRequest,
  signal: AbortSignal,
): Promise<Omit<HttpsAnswer, 'certificate'>> {
  const { url, body, maxBytes } = call
  const text = body === undefined ? undefined : JSON.stringify(body)
  return new Promise((resolve, reject) => {
    const outgoing = request(
      url,
      {
        method: text === undefined ? 'GET' : 'POST',
        headers: {
          accept: 'application/json, application/problem+json',
          // The one who comes after another is the last.
          ...(call.line && { connection: 'close' }),
          ...(text !== undefined && { 'content-type': 'application/json', 'content-length': Buffer.byteLength(text) }),
        },
        signal,
        agent,
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

function targetOf(url: URL): { host: string; port: number } {
  return { host: url.hostname.replace(/^\[|\]$/g, ''), port: Number(url.port || 443) }
}

function unreachable(url: URL, why: string, cause: unknown): TemporaryFailure {
  return new TemporaryFailure(new MusterError('unavailable', `${url.host}: ${why}`, { cause }))
}
