import type { Duplex } from 'node:stream'
import { type ConnectionOptions, connect, type TLSSocket } from 'node:tls'

/** What a connection is for: `window` asks when to renew, and tells that a renewed certificate has arrived. */
export type DialPurpose = 'bootstrap' | 'enrol' | 'renew' | 'window' | 'mqtt'

export interface DialTarget {
  host: string
  port: number
  purpose: DialPurpose
}

/**
 * Opens the connection that TLS runs over, in place of a TCP connection by the operating system: a modem, a tunnel, a test. The stream may
 * still be connecting when it is answered; where it cannot, it is destroyed with an error.
 */
export type Dial = (target: DialTarget) => Duplex

/** A dial of which the purpose is known. */
export type Open = (target: { host: string; port: number }) => Duplex

/** What only the device can know, or bring: the same for everything that it opens. */
export interface Surroundings {
  dial?: Dial | undefined
  /** The device's own clock, in epoch milliseconds, where it is not the one of the process. */
  now?: (() => number) | undefined
}

export function dialFor(purpose: DialPurpose, dial: Dial | undefined): Open | undefined {
  return dial && ((target) => dial({ ...target, purpose }))
}

/** A TLS connection over what `dial` opens; one that is gone takes the other with it. */
export function connectOver(stream: Duplex, options: ConnectionOptions): TLSSocket {
  const socket = connect({ ...options, socket: stream })
  stream.on('error', (error) => socket.destroy(error))
  stream.on('close', () => {
    // After a proper end, what came before it is still to be read.
    if (stream.readableEnded && !socket.readableEnded) socket.once('end', () => socket.destroy())
    else socket.destroy()
  })
  socket.on('close', () => stream.destroy())
  return socket
}
