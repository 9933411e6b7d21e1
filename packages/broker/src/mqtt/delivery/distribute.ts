import type { Aedes } from 'aedes'
import type { Delivery } from './delivery.ts'
import { FanOut, matchOf, merge } from './fan-out.ts'
import type { Match, Message, Subscription } from './message.ts'

/** The part of aedes' emitter that carries each message to the subscriptions that match it, all in one turn. */
interface Emitter {
  emit(message: Message, done?: (error?: Error) => void): unknown
}

/** Takes what aedes' emitter hands to one subscription after the other, and gives each client its message once. */
export interface Distribution {
  collect(delivery: Delivery, key: string, message: Message, subscription: Subscription): void
}

export function openDistribution(broker: Aedes): Distribution {
  const emitter = (broker as unknown as { mq: Emitter }).mq
  const emit = emitter.emit
  let collected: Map<Delivery, Match> | undefined

  emitter.emit = function emitOnce(this: Emitter, message, done) {
    const outer = collected
    collected = undefined
    try {
      return emit.call(this, message, done)
    } finally {
      const all = collected as Map<Delivery, Match> | undefined
      collected = outer
      if (all) {
        const fanOut = new FanOut(message)
        for (const [delivery, match] of all) delivery.offer(fanOut, match)
      }
    }
  }

  return {
    collect(delivery, key, message, subscription) {
      // [MQTT-3.8.3-3]
      if (subscription.nl && message.clientId === key) return
      collected ??= new Map()
      const match = matchOf(subscription)
      const other = collected.get(delivery)
      // [MQTT-3.3.5-1]
      collected.set(delivery, other ? merge(other, match) : match)
    },
  }
}
