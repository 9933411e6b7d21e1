import { Agent, request } from 'node:https'

export interface Answer {
  status: number
  headers: Record<string, string | string[] | undefined>
  text: string
  // biome-ignore lint/suspicious/noExplicitAny: tests look into answers that only the server's own schema describes
  json: any
}

export interface CallOptions {
  port: number
  ca: string
  method?: string
  path: string
  token?: string | undefined
  /** PEM, for mutual TLS. */
  credentials?: { key: string; cert: string } | undefined
  body?: unknown
  headers?: Record<string, string>
  timeoutMs?: number
}

/** One HTTPS request on a connection of its own, the server's name and chain checked. */
export function call(options: CallOptions): Promise<Answer> {
  const body =
    options.body === undefined || typeof options.body === 'string' ? options.body : JSON.stringify(options.body)
  return new Promise((resolve, reject) => {
    const outgoing = request(
      {
        host: 'localhost',
        port: options.port,
        path: options.path,
        method: options.method ?? (body === undefined ? 'GET' : 'POST'),
        ca: options.ca,
        ...options.credentials,
        agent: new Agent({ keepAlive: false }),
        timeout: options.timeoutMs ?? 30_000,
        headers: {
          ...(body === undefined ? {} : { 'content-type': 'application/json' }),
          ...(options.token === undefined ? {} : { authorization: `Bearer ${options.token}` }),
          ...options.headers,
        },
      },
      (incoming) => {
        let text = ''
        incoming.setEncoding('utf8')
        incoming.on('data', (chunk: string) => {
          text += chunk
        })
        incoming.on('error', reject)
        incoming.on('end', () =>
          resolve({
            status: incoming.statusCode ?? 0,
            headers: incoming.headers,
            text,
            json: /json/.test(incoming.headers['content-type'] ?? '') ? JSON.parse(text) : undefined,
          }),
        )
      },
    )
    outgoing.on('timeout', () => outgoing.destroy(new Error(`no answer from ${options.path} in time`)))
    outgoing.on('error', reject)
    outgoing.end(body)
  })
}
