/** The part of aedes-persistence's in-memory store that is extended here; its own types stop at the package's entry. */
declare module 'aedes-persistence/asyncPersistence.js' {
  import type { Readable } from 'node:stream'

  interface StoredPacket {
    cmd: string
    brokerId: string
    brokerCounter: number
    messageId?: number | undefined
    payload?: string | Buffer | undefined
  }

  class MemoryPersistence {
    static Packet: new (
      original: StoredPacket,
    ) => StoredPacket
    setup(broker: object): Promise<void>
    addSubscriptions(client: { id: string }, subscriptions: { topic: string; qos: number }[]): Promise<void>
    cleanSubscriptions(client: { id: string }): Promise<void>
    outgoingEnqueue(subscription: { clientId: string }, packet: StoredPacket): Promise<void>
    outgoingEnqueueCombi(subscriptions: { clientId: string }[], packet: StoredPacket): Promise<void>
    outgoingUpdate(client: { id: string }, packet: StoredPacket): Promise<void>
    outgoingClearMessageId(client: { id: string }, packet: StoredPacket): Promise<StoredPacket | undefined>
    outgoingStream(client: { id: string }): Readable
    incomingStorePacket(client: { id: string }, packet: StoredPacket): Promise<void>
    incomingGetPacket(client: { id: string }, packet: StoredPacket): Promise<StoredPacket>
    incomingDelPacket(client: { id: string }, packet: StoredPacket): Promise<void>
    delWill(client: { id: string }): Promise<unknown>
  }

  export type { StoredPacket }
  export default MemoryPersistence
}
