import type { Incoming } from './accept.ts'
import type { PeerRefusal } from './admission/peer.ts'
import type { Limits } from './limits.ts'
import { readConnect } from './mqtt/read-connect.ts'
import { answer } from './mqtt/refuse.ts'
import type { Observer } from './observer.ts'

/** For peers without an identity, or with one that nothing vouches for: an answer, if it can be had for little. */
export function createTurnAway({ limits, observer }: { limits: Limits; observer: Pick<Observer, 'refused'> }) {
  let strangers = 0

  return async function turnAway({ socket, address }: Incoming, { refusal, named }: PeerRefusal): Promise<void> {
    observer.refused(refusal, named, address)
    if (strangers >= limits.strangers) return void socket.destroy()
    strangers += 1
    try {
      const opening = await readConnect(socket, { maxBytes: limits.strangerBytes, timeoutMs: limits.strangerMs })
      answer(socket, refusal, opening?.packet.protocolVersion)
    } catch {
      socket.destroy()
    } finally {
      strangers -= 1
    }
  }
}
