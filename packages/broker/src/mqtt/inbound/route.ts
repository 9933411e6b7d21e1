import type { Aedes, Client } from 'aedes'
import type { PublishPacket } from '../guard/packets.ts'

/** Topics of which it is remembered whether anybody wants them. */
const remembered = 20_000

interface Emitter {
  _matcher: { match(topic: string): unknown[] }
  on(...args: unknown[]): unknown
  removeListener(...args: unknown[]): unknown
}

export interface Route {
  /** Whether anybody, here or away, has subscribed to it. A yes may be out of date, a no is not. */
  isWanted(topic: string): boolean
  /** Answers when every queue holds the message that must. */
  publish(packet: PublishPacket, client: Client, done: (error?: Error | null) => void): void
  /** The same for QoS 2: where the store can, the packet id is kept in the same breath. */
  publishOnce(packet: PublishPacket, client: Client): Promise<void>
}

export interface RouteStore {
  hasSubscribers(topic: string): boolean
  receiving?(client: Client, packet: PublishPacket): void
}

/** The way to the subscribers, which a message that nobody wants does not take. */
export function createRoute(broker: Aedes, store: RouteStore): Route {
  const mq = (broker as unknown as { mq: Emitter }).mq
  const wanted = new Map<string, boolean>()
  forgetOnChange(mq, wanted)

  const look = (topic: string) => mq._matcher.match(topic).length > 0 || store.hasSubscribers(topic)
  // aedes takes its packets without a `length`, and says nothing when there is no error.
  const publish = broker.publish.bind(broker) as unknown as Route['publish']
  return {
    publish,

    isWanted(topic) {
      const known = wanted.get(topic)
      if (known !== undefined) return known
      const isWanted = look(topic)
      if (wanted.size >= remembered) wanted.clear()
      wanted.set(topic, isWanted)
      return isWanted
    },

    publishOnce(packet, client) {
      store.receiving?.(client, packet)
      return new Promise((resolve, reject) => publish(packet, client, (error) => (error ? reject(error) : resolve())))
    },
  }
}

/** Every subscription, a kept one too, is one of the emitter's before it is acknowledged. */
function forgetOnChange(mq: Emitter, wanted: Map<string, boolean>): void {
  const { on, removeListener } = mq
  mq.on = (...args) => {
    wanted.clear()
    return on.apply(mq, args)
  }
  mq.removeListener = (...args) => {
    const answer = removeListener.apply(mq, args)
    // It is taken out in the next turn.
    setImmediate(() => wanted.clear())
    return answer
  }
}
