import { promotionsChannel, renewalsAnsweredChannel } from '@muster/contracts'
import { listenTo } from '@muster/db'
import type { Relay } from './relay.ts'

/** Hears from the registry which renewals were answered, and whose certificate was promoted elsewhere. */
export function heedRenewals(options: {
  url: string
  node: string
  relay: Pick<Relay, 'hurry'>
  /** Judges the connections of a device again. */
  recheck(of: { key: string }): Promise<void>
  onError(error: unknown): void
}): AsyncDisposable {
  const { url, node, relay, recheck, onError } = options
  return listenTo({
    url,
    channels: [renewalsAnsweredChannel, promotionsChannel],
    applicationName: 'muster_broker renewals',
    onListening: relay.hurry,
    onNotification(channel, payload) {
      if (channel === renewalsAnsweredChannel) return relay.hurry()
      const [key = '', by] = payload.split(' ')
      // Where it was this node, the new connection has taken over. One that is missed is found when everybody is judged again.
      if (by !== node) recheck({ key }).catch(onError)
    },
    onError,
  })
}
