import type { Client } from 'aedes'

/** Where the packet ids of QoS 2 messages are kept that were received and not released, as aedes' persistence has it. */
export interface ReceivedStore {
  /** Rejects for one that is not there. */
  incomingGetPacket(client: { id: string }, packet: { messageId?: number | undefined }): Promise<unknown>
  incomingStorePacket(client: { id: string }, packet: { messageId?: number | undefined }): Promise<unknown>
  incomingDelPacket(client: { id: string }, packet: { messageId?: number | undefined }): Promise<unknown>
}

export interface ReceivedOnce {
  /**
   * Does the work unless it was done before, also where that was on an earlier connection that has not finished with it.
   * `work` answers whether the message has been received, and is not to come again.
   */
  receive(client: Client, messageId: number, work: () => Promise<boolean>): Promise<void>
  /** Answers whether the packet id was there. */
  release(client: Client, messageId: number): Promise<boolean>
}

/** QoS 2 on the receiving side, "method A": the message goes on at once, its packet id stays until PUBREL. [MQTT-4.3.3-10] */
export function createReceivedOnce(store: ReceivedStore): ReceivedOnce {
  const underWay = new Map<string, Promise<void>>()
  const isKnown = (client: Client, messageId: number) =>
    store.incomingGetPacket(client, { messageId }).then(
      () => true,
      () => false,
    )

  async function receive(client: Client, messageId: number, work: () => Promise<boolean>, earlier?: Promise<void>) {
    // Whatever became of it there.
    await earlier?.catch(() => {})
    if (await isKnown(client, messageId)) return
    if (!(await work())) return
    // A session that has ended with its connection keeps nothing.
    if (client.clean && client.closed) return
    await store.incomingStorePacket(client, { messageId })
  }

  return {
    async receive(client, messageId, work) {
      const key = `${client.id}#${messageId}`
      const received = receive(client, messageId, work, underWay.get(key))
      underWay.set(key, received)
      try {
        await received
      } finally {
        if (underWay.get(key) === received) underWay.delete(key)
      }
    },

    async release(client, messageId) {
      if (!(await isKnown(client, messageId))) return false
      await store.incomingDelPacket(client, { messageId })
      return true
    },
  }
}
