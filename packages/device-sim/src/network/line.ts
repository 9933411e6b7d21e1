import type { Socket } from 'node:net'
import { Duplex } from 'node:stream'
import { Path } from './path.ts'
import type { Schedule } from './schedule.ts'

type Done = (error?: Error | null) => void

/** Watches the bytes of one connection, below TLS. */
export interface Wiretap {
  sent?(chunk: Buffer): void
  /** Answers whether the device gets it. */
  received?(chunk: Buffer): boolean
  /** The other side has said all. An error is what the device hears instead. */
  ended?(): Error | undefined
}

export interface LineOptions {
  /** Undefined: at once. */
  up?: Schedule | undefined
  down?: Schedule | undefined
  tap?: Wiretap | undefined
}

/** How long the other side goes on believing in a connection that is gone. */
const lingerMs = 5_000

const atOnce: Schedule = (now) => ({ departsAt: now, arrivesAt: now })

/** What lies between the TLS of a device and its socket: a network that takes its time, and may fall silent. */
export class Line extends Duplex {
  readonly #socket: Socket
  readonly #up: Path
  readonly #down: Path
  readonly #tap: Wiretap
  #whenRoom: Done | undefined
  #whenFlushed: Done | undefined
  #isDark = false
  #isLeaving = false
  #hasEnded = false
  #linger: NodeJS.Timeout | undefined

  constructor(socket: Socket, { up = atOnce, down = atOnce, tap = {} }: LineOptions) {
    super({ allowHalfOpen: false })
    this.#socket = socket.setNoDelay(true)
    this.#tap = tap
    this.#up = new Path(up, {
      deliver: (chunk) => socket.write(chunk),
      end: () => {
        if (this.#isLeaving) socket.destroySoon()
        else socket.end(() => this.#whenFlushed?.())
      },
      onRoom: () => this.#callWhenRoom(),
    })
    this.#down = new Path(down, {
      deliver: (chunk) => this.push(chunk),
      end: () => this.push(null),
      onRoom: () => socket.resume(),
    })
    socket.on('drain', () => this.#up.resume())
    socket.on('data', (chunk) => this.#receive(chunk))
    socket.on('end', () => this.#receiveEnd())
    socket.on('error', (error) => this.#fail(error))
    socket.on('close', () => {
      clearTimeout(this.#linger)
      if (!this.#hasEnded) this.#fail(null)
    })
  }

  /** From now on nothing passes, and nobody is told: the other side goes on believing in the connection for a while. */
  goDark(): void {
    this.#isDark = true
    this.#up.discard()
    this.#down.discard()
    this.#socket.resume()
    if (this.destroyed) return
    this.#whenRoom = undefined
  }

  /** Gives up the socket as well. */
  release(): void {
    clearTimeout(this.#linger)
    this.#up.discard()
    this.#socket.destroy()
    this.destroy()
  }

  /** Whether the other side still has something of it. */
  get isReleased(): boolean {
    return this.#socket.destroyed
  }

  #receive(chunk: Buffer): void {
    if (this.#isDark || this.destroyed || this.#tap.received?.(chunk) === false) return
    if (!this.#down.push(chunk)) this.#socket.pause()
  }

  #receiveEnd(): void {
    // A side that leaves by itself need not be held any longer.
    if (this.#isDark || this.destroyed) return void this.#socket.destroy()
    this.#hasEnded = true
    const failure = this.#tap.ended?.()
    if (failure) this.destroy(failure)
    else this.#down.end()
  }

  #fail(error: Error | null): void {
    if (this.#isDark) this.#socket.destroy()
    else this.destroy(error ?? undefined)
  }

  #callWhenRoom(): void {
    const done = this.#whenRoom
    this.#whenRoom = undefined
    done?.()
  }

  override _read(): void {
    this.#down.resume()
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: Done): void {
    // Nobody takes it, as when the buffers of TCP are full.
    if (this.#isDark) return
    this.#tap.sent?.(chunk)
    if (this.#isDark || this.#up.push(chunk)) done()
    else this.#whenRoom = done
  }

  override _final(done: Done): void {
    if (this.#isDark) done()
    else {
      this.#whenFlushed = done
      this.#up.end()
    }
  }

  override _destroy(error: Error | null, done: Done): void {
    this.#down.discard()
    if (error && !this.#isDark) this.#up.discard()
    this.#isLeaving = !this.#isDark && !this.#up.isEmpty
    if (this.#isDark || this.#isLeaving) this.#outlive()
    else this.#socket.destroySoon()
    done(error)
  }

  /** What TCP has taken is still brought to the other side; and who has lost its power says nothing at all. */
  #outlive(): void {
    this.#socket.resume()
    if (this.#isLeaving) this.#up.end()
    this.#linger = setTimeout(() => this.#socket.destroy(), lingerMs).unref()
  }
}
