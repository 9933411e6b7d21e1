import { changesChannel } from '@muster/contracts'
import { crls, listenTo } from '@muster/db'
import type { Logger } from 'pino'
import type { Deps } from '../context.ts'
import { createRevocationLists, type RevocationLists } from './lists.ts'
import { crlPath } from './places.ts'
import { type CrlRow, type Publishing, publishCrls } from './publish.ts'

/** How late a revocation shows whose notification was lost. */
const pollMs = 5_000
/**
 * What a CRL replaces stays in the database until that vacuums, about once a minute: made anew with every revocation of a wave,
 * large ones would fill it. So much is written a second, whatever the lists have grown to.
 */
const bytesPerSecond = 512 * 1_024
const rest = { leastMs: 200, mostMs: 60_000 }

export interface CrlPublisherOptions extends Publishing, Pick<Deps, 'issuers'> {
  url: string
  log: Logger
  onPublished(rows: readonly CrlRow[]): void
}

/** Keeps the CRLs of all issuers current, after each revocation and on schedule. There are some when it resolves. */
export async function startCrlPublisher(options: CrlPublisherOptions): Promise<AsyncDisposable> {
  const { db, issuers, log, url, onPublished } = options
  const lists = new Map<string, RevocationLists>()
  const numbers = new Map<string, number>()
  let restUntil = 0
  let resting: NodeJS.Timeout | undefined

  /** How much of it is new in the table, whoever has made it. */
  function countNew(rows: readonly CrlRow[]): number {
    let bytes = 0
    for (const row of rows) {
      const path = crlPath(row)
      const known = numbers.get(path)
      if (known !== undefined && known !== row.number) bytes += row.bytes
      numbers.set(path, row.number)
    }
    return bytes
  }

  function restAfter(bytes: number): void {
    if (bytes === 0) return
    const ms = Math.min(rest.mostMs, Math.max(rest.leastMs, (bytes / bytesPerSecond) * 1_000))
    restUntil = performance.now() + ms
    clearTimeout(resting)
    resting = setTimeout(publish, ms).unref()
  }

  async function publishAll(): Promise<void> {
    // Of all issuers or of none: otherwise the first would have the others wait for as long as its own wave lasts.
    const isResting = performance.now() < restUntil
    let bytes = 0
    for (const { name, kind } of issuers.rows) {
      const issuer = kind === 'issuing' ? issuers.find(name) : undefined
      if (!issuer) continue
      const known = lists.get(name) ?? createRevocationLists()
      lists.set(name, known)
      try {
        const rows = await publishCrls({ ...options, isResting }, issuer, known)
        bytes += countNew(rows)
        onPublished(rows)
      } catch (err) {
        // One issuer's trouble is not another's; the next round comes soon.
        log.error({ err, issuer: name }, 'the CRL could not be made')
      }
    }
    restAfter(bytes)
  }

  let running: Promise<void> | undefined
  let again = false
  /** What comes during a round is for one round after it, however much it is. */
  const publish = () => {
    if (running) again = true
    else
      running = publishAll().finally(() => {
        running = undefined
        if (!again) return
        again = false
        publish()
      })
  }

  // Reading a million revocations takes a while; until then those that are there are served.
  if ((await db.$count(crls)) > 0) publish()
  else await publishAll()
  issuers.onChange(publish)
  const timer = setInterval(publish, pollMs).unref()
  const listening = listenTo({
    url,
    channels: [changesChannel],
    applicationName: 'muster_provisioner crl',
    onListening: publish,
    onNotification: publish,
    onError: (err) => log.warn({ err }, 'the listener for revocations broke'),
  })
  return {
    async [Symbol.asyncDispose]() {
      clearInterval(timer)
      clearTimeout(resting)
      restUntil = Number.POSITIVE_INFINITY
      await listening[Symbol.asyncDispose]()
      again = false
      await running
    },
  }
}
