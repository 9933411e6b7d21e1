import type { X509Certificate } from 'node:crypto'
import type { IncomingHttpHeaders } from 'node:http'
import { request } from 'node:https'
import type { TLSSocket } from 'node:tls'
import { MusterError } from '@muster/contracts'
import type { Credentials } from '../store/load-credentials.ts'
import type { DeviceClock } from '../trust/device-clock.ts'
import { connectOver, type Open } from '../trust/dial.ts'
import { openTls } from '../trust/open-tls.ts'
import { serverDistrust } from '../trust/server-distrust.ts'
import { TemporaryFailure } from './temporary-failure.ts'

export interface HttpsRequest {
  url: URL
  /** The only certificates (PEM) that vouch for the server, and by which time. Without it the server is not verified at all. */
  trust: { roots: string; clock: DeviceClock } | undefined
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
  /** Of the server. */
  certificate: X509Certificate | undefined
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
    if (!(error instanceof Error) || error instanceof MusterError || error instanceof TemporaryFailure) throw error
    throw serverDistrust(error, call.url.host) ?? unreachable(call.url, error.message, error)
  }
}

async function exchange(call: HttpsRequest, signal: AbortSignal): Promise<HttpsAnswer> {
  const { trust, dial, credentials } = call
  if (!trust) return { ...(await exchangeOver(undefined, call, signal)), certificate: undefined }
  const { socket, certificate } = await openTls({ ...targetOf(call.url), ...trust, dial, credentials, signal })
  try {
    return { ...(await exchangeOver(socket, call, signal)), certificate }
  } finally {
    socket.destroy()
  }
}

function exchangeOver(
  socket: TLSSocket | undefined,
  call: HttpsRequest,
  signal: AbortSignal,
): Promise<Omit<HttpsAnswer, 'certificate'>> {
  const { url, body, maxBytes, dial } = call
  const open = socket ? () => socket : dial && (() => connectOver(dial(targetOf(url)), { rejectUnauthorized: false }))
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
        signal,
        // With an agent, Node does not ask for the connection that is there.
        ...(open ? { createConnection: open } : { agent: false, rejectUnauthorized: false }),
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
