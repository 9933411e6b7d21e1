import { setTimeout as sleep } from 'node:timers/promises'
import pg from 'pg'

export interface ListenOptions {
  url: string
  channels: readonly string[]
  applicationName: string
  /** After every (re)connection: notifications may have been missed until here. */
  onListening(): void
  onNotification(channel: string, payload: string): void
  onError(error: unknown): void
}

const aliveEveryMs = 5_000
const longestPauseMs = 1_000

/** A connection of its own that waits for notifications, and comes back when it breaks. */
export function listenTo(options: ListenOptions): AsyncDisposable {
  const stopped = new AbortController()
  const { signal } = stopped
  const pause = (ms: number) => sleep(ms, undefined, { signal }).catch(() => {})

  async function run() {
    for (let failures = 0; !signal.aborted; failures++) {
      const startedAt = performance.now()
      await listenOnce(options, signal, pause).catch(options.onError)
      if (performance.now() - startedAt > 10_000) failures = 0
      await pause(Math.min(longestPauseMs, 100 * 2 ** failures))
    }
  }
  const running = run()

  return {
    async [Symbol.asyncDispose]() {
      stopped.abort()
      await running
    },
  }
}

async function listenOnce(options: ListenOptions, signal: AbortSignal, pause: (ms: number) => Promise<void>) {
  const client = new pg.Client({
    connectionString: options.url,
    application_name: options.applicationName,
    connectionTimeoutMillis: 5_000,
    query_timeout: 5_000,
    keepAlive: true,
  })
  const broken = new Promise<void>((resolve) => {
    client.once('error', (error) => {
      options.onError(error)
      resolve()
    })
    client.once('end', resolve)
    signal.addEventListener('abort', () => resolve(), { once: true })
  })
  client.on('notification', ({ channel, payload }) => options.onNotification(channel, payload ?? ''))
  try {
    await client.connect()
    for (const channel of options.channels) await client.query(`listen ${pg.escapeIdentifier(channel)}`)
    options.onListening()
    // Asked now and then, because a connection can be dead without anybody noticing.
    while (!signal.aborted) {
      const ended = await Promise.race([broken.then(() => true), pause(aliveEveryMs).then(() => false)])
      if (ended) return
      await client.query('select')
    }
  } finally {
    await client.end().catch(() => {})
  }
}
