import { issuersChannel } from '@muster/contracts'
import { listenTo } from '@muster/db'
import type { Issuers } from './open.ts'

const pollMs = 5_000

/** Another provisioner may have done something to the issuers: looks when it is told, and now and then. */
export function watchIssuers(options: {
  issuers: Pick<Issuers, 'refresh'>
  url: string
  onError(error: unknown): void
}): AsyncDisposable {
  const { issuers, url, onError } = options
  const look = () => void issuers.refresh().catch(onError)
  const listening = listenTo({
    url,
    channels: [issuersChannel],
    applicationName: 'muster_provisioner issuers',
    onListening: look,
    onNotification: look,
    onError,
  })
  const timer = setInterval(look, pollMs).unref()
  return {
    async [Symbol.asyncDispose]() {
      clearInterval(timer)
      await listening[Symbol.asyncDispose]()
    },
  }
}
