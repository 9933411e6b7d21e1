import { setImmediate as nextTurn } from 'node:timers/promises'
import { messageOf, type QueueStore } from './message.ts'
import type { SharedGroups } from './shared-groups.ts'

const batchSize = 100

/**
 * What a member that is away holds of its shared subscriptions goes to members that are connected: all that was never sent,
 * and QoS 1; a QoS 2 message that was sent is finished with the session that has it. [MQTT-4.8.2-4]
 */
export async function passOnQueued(key: string, store: QueueStore, groups: SharedGroups): Promise<void> {
  let cursor = 0
  for (;;) {
    const batch = store.queued(key, cursor, batchSize)
    for (const queued of batch) {
      cursor = queued.cursor
      if (queued.cmd === 'pubrel') continue
      const { messageId, brokerCounter, qos, clientId = '' } = queued
      if (!clientId.startsWith('$share/') || !groups.hasOthers(key, clientId)) continue
      if (qos === 2 && messageId !== undefined) continue
      await groups.passOn([messageOf(queued)])
      await store.outgoingClearMessageId({ id: key }, { messageId, brokerCounter })
    }
    if (batch.length < batchSize) return
    await nextTurn()
  }
}
