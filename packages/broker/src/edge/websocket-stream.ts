import { Duplex } from 'node:stream'
import type { WebSocket } from 'ws'

/** MQTT's bytes in the binary frames of a WebSocket. Packets and frames have nothing to do with each other. [MQTT-6.0.0-2] */
export class WebSocketStream extends Duplex {
  readonly #websocket: WebSocket

  constructor(websocket: WebSocket) {
    // What is half closed is of no use to MQTT.
    super({ allowHalfOpen: false })
    this.#websocket = websocket
    websocket.on('message', (data, isBinary) => {
      // [MQTT-6.0.0-1]
      if (!isBinary) return void this.destroy()
      if (!this.push(data)) websocket.pause()
    })
    websocket.once('close', () => this.destroy())
    websocket.on('error', () => this.destroy())
  }

  override _read(): void {
    this.#websocket.resume()
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: (error?: Error | null) => void): void {
    this.#websocket.send(chunk, { binary: true }, done)
  }

  /** What was corked together is one frame. */
  override _writev(chunks: { chunk: Buffer }[], done: (error?: Error | null) => void): void {
    this._write(Buffer.concat(chunks.map(({ chunk }) => chunk)), 'binary', done)
  }

  override _final(done: (error?: Error | null) => void): void {
    this.#websocket.close(1000)
    done()
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    this.#websocket.terminate()
    done(error)
  }
}
