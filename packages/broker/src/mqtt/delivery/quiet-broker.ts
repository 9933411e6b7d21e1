import type { Aedes } from 'aedes'

/**
 * aedes tells other instances of itself on `$SYS` topics who comes, goes and subscribes. There are none, and nobody may read
 * these topics: all but the heartbeat, by which it knows its own wills, are not made at all.
 */
export function quietBroker(broker: Aedes): void {
  const publish = broker.publish as (packet: { topic: string }, ...rest: unknown[]) => void
  const own = `$SYS/${broker.id}/`
  const quiet = function publishUnlessOwn(this: Aedes, packet: { topic: string }, ...rest: unknown[]) {
    const done = rest.at(-1)
    if (packet.topic.startsWith(own) && !packet.topic.endsWith('/heartbeat')) {
      if (typeof done === 'function') done()
    } else publish.call(this, packet, ...rest)
  }
  broker.publish = quiet as Aedes['publish']
}
