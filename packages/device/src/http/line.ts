import { Agent } from 'node:https'
import type { TLSSocket } from 'node:tls'

/** A connection that one request may follow another on. */
export interface Line extends Disposable {
  agent: Agent
  /** Whether another may. */
  readonly isOpen: boolean
}

export function openLine(socket: TLSSocket, keepAlive: boolean): Line {
  // With a bound on its connections, Node asks the server to keep even those that it will not use again.
  const agent = new Agent(keepAlive ? { keepAlive, maxSockets: 1 } : {})
  // The only connection there is: where it has ended, so has every request.
  agent.createConnection = () => socket
  return {
    agent,
    get isOpen() {
      return keepAlive && socket.writable && !socket.destroyed
    },
    [Symbol.dispose]() {
      agent.destroy()
      socket.destroy()
    },
  }
}
