import type { Duplex } from 'node:stream'
import { Decoder } from './guard/decoder.ts'
import type { ConnectPacket } from './guard/packets.ts'

/** How a connection begins; the decoder has what came after the CONNECT, and goes on with it. */
export interface Opening {
  packet: ConnectPacket
  decoder: Decoder
}

/**
 * The CONNECT at the start of the stream. `undefined` when the peer goes away or lets the time pass.
 * @throws Violation
 */
export function readConnect(
  socket: Duplex,
  { maxBytes, timeoutMs }: { maxBytes: number; timeoutMs: number },
): Promise<Opening | undefined> {
  return new Promise((resolve, reject) => {
    const decoder = new Decoder(maxBytes)
    const stop = () => {
      clearTimeout(timer)
      socket.off('readable', read)
      socket.off('close', leave)
    }
    const leave = () => {
      stop()
      resolve(undefined)
    }
    const read = () => {
      const chunk = socket.read() as Buffer | null
      if (!chunk) return
      try {
        decoder.push(chunk)
        const packet = decoder.next()
        if (packet?.cmd !== 'connect') return
        stop()
        resolve({ packet, decoder })
      } catch (error) {
        stop()
        reject(error)
      }
    }
    const timer = setTimeout(leave, timeoutMs)
    socket.on('readable', read)
    socket.on('close', leave)
    if (socket.destroyed) leave()
  })
}
