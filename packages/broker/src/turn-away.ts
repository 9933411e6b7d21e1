import { isName } from '@muster/contracts'
import type { Incoming } from './accept.ts'
import type { PeerRefusal } from './admission/peer.ts'
import type { Limits } from './limits.ts'
import { readConnect } from './mqtt/read-connect.ts'
import { answer } from './mqtt/refuse.ts'
import type { Observer } from './observer.ts'

/** For peers without an identity, or with one that nothing vouches for: an answer, if it can be had for little. */
export function createTurnAway({ limits, observer }: { limits: Limits; observer: Pick<Observer, 'refused'> }) {
  let strangers = 0

  return async function turnAway({ socket, address }: Incoming, { refusal, who }: PeerRefusal): Promise<void> {
    if (strangers >= limits.strangers) {
      observer.refused(refusal, who, address)
      return void socket.destroy()
    }
    strangers += 1
    let clientId: unknown
    try {
      const opening = await readConnect(socket, { maxBytes: limits.strangerBytes, timeoutMs: limits.strangerMs })
      clientId = opening?.packet.clientId
      answer(socket, refusal, opening?.packet.protocolVersion)
    } catch {
      socket.destroy()
    } finally {
      strangers -= 1
      // Without a certificate the client id is the only hint at which device it is.
      observer.refused(refusal, who ?? (isName(clientId) ? { device: clientId } : undefined), address)
    }
  }
}
