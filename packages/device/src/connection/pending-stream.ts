import { Duplex } from 'node:stream'
import type { TLSSocket } from 'node:tls'

type Done = (error?: Error | null) => void

/** A stream that can be written to at once, over a socket that is still being opened: mqtt.js wants it in the same turn. */
export class PendingStream extends Duplex {
  readonly #ending = new AbortController()
  #socket: TLSSocket | undefined
  /** The one write that Node has under way until it is done. */
  #whenOpen: ((socket: TLSSocket) => void) | undefined

  constructor(open: (signal: AbortSignal) => Promise<TLSSocket>) {
    super()
    open(this.#ending.signal).then(
      (socket) => this.#attach(socket),
      (error: Error) => this.destroy(error),
    )
  }

  #attach(socket: TLSSocket): void {
    this.#socket = socket
    let ended = false
    const end = () => {
      if (!ended) this.push(null)
      ended = true
    }
    socket.on('error', (error) => this.destroy(error))
    if (this.destroyed || socket.destroyed) {
      socket.destroy()
      this.destroy()
      return
    }
    socket.on('data', (chunk) => {
      if (!this.push(chunk)) socket.pause()
    })
    socket.on('end', end)
    // What came before the close is still read: a DISCONNECT that says why.
    socket.on('close', () => {
      end()
      this.end()
    })
    this.#whenOpen?.(socket)
  }

  override _read(): void {
    this.#socket?.resume()
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: Done): void {
    this.#use((socket) => socket.write(chunk, done))
  }

  override _writev(chunks: { chunk: Buffer }[], done: Done): void {
    this.#use((socket) => socket.write(Buffer.concat(chunks.map(({ chunk }) => chunk)), done))
  }

  override _final(done: Done): void {
    this.#use((socket) => (socket.destroyed ? done() : socket.end(done)))
  }

  override _destroy(error: Error | null, done: Done): void {
    this.#ending.abort()
    this.#socket?.destroy()
    done(error)
  }

  #use(act: (socket: TLSSocket) => void): void {
    if (this.#socket) act(this.#socket)
    else this.#whenOpen = act
  }
}
