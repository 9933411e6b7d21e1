import { decodeFrame, encodeFrame, mostParts, packMessage, unpackMessage } from './frame.ts'

interface ChannelOptions {
  /** Resolves when the broker has it. */
  publish(payload: Buffer): Promise<void>
  /** In order, each once. A throw breaks the channel. */
  onMessage(message: unknown): void
  /** Once; nothing comes or goes any more. */
  onBroken(why: string): void
  timing?: Partial<Timing>
}

interface Timing {
  /** Without news for so long, what was not confirmed is sent again. */
  repeatMs: number
  /** A sign of life. */
  beatMs: number
  /** Silence that long is the end. */
  silenceMs: number
}

const usual: Timing = { repeatMs: 3_000, beatMs: 5_000, silenceMs: 45_000 }
/** Frames on their way: 1 MiB, which is what a policy lets through in a second. */
const window = 16

/**
 * Messages between two that hear each other over MQTT. QoS 1 may repeat, a connection that breaks may lose: frames are
 * numbered, confirmed, and sent again from the first that is missing.
 */
export interface Channel extends Disposable {
  send(message: unknown): void
  /** What has come from the other side. */
  receive(payload: Buffer): void
  /** Resolves when everything sent is confirmed, or the channel is broken. */
  flush(): Promise<void>
}

export function openChannel({ publish, onMessage, onBroken, timing }: ChannelOptions): Channel {
  const { repeatMs, beatMs, silenceMs } = { ...usual, ...timing }
  /** Sent and not confirmed, then not sent. */
  const queue: { seq: number; more: boolean; part: Buffer }[] = []
  let parts: Buffer[] = []
  let [numbered, sent, confirmed, received] = [0, 0, 0, 0]
  let underWay = 0
  let isOpen = true
  let [heardAt, progressAt] = [performance.now(), performance.now()]
  let flushed: (() => void)[] = []
  const timer = setInterval(beat, Math.min(repeatMs, beatMs) / 2)
  let beatAt = performance.now()

  function transmit(seq: number, more: boolean, part: Buffer): void {
    underWay += 1
    beatAt = performance.now()
    // While the broker is away nothing is repeated: the client keeps it, and sends it when it is back.
    const settle = () => {
      underWay -= 1
    }
    publish(encodeFrame({ seq, ack: received, more, part })).then(settle, settle)
  }

  function advance(): void {
    for (const { seq, more, part } of queue) {
      if (seq > confirmed + window) return
      if (seq <= sent) continue
      if (sent === confirmed) progressAt = performance.now()
      sent = seq
      transmit(seq, more, part)
    }
  }

  function confirm(ack: number): void {
    if (ack <= confirmed || ack > sent) return
    confirmed = ack
    progressAt = performance.now()
    while (queue[0] && queue[0].seq <= ack) queue.shift()
    advance()
    if (queue.length > 0) return
    for (const resolve of flushed) resolve()
    flushed = []
  }

  function beat(): void {
    const now = performance.now()
    if (now - heardAt > silenceMs) fail(`has not been heard of for ${Math.round(silenceMs / 1_000)} s`)
    if (!isOpen) return
    if (sent > confirmed && underWay === 0 && now - progressAt > repeatMs) {
      progressAt = now
      sent = confirmed
      advance()
    }
    if (now - beatAt > beatMs) transmit(0, false, Buffer.alloc(0))
  }

  function close(): void {
    isOpen = false
    clearInterval(timer)
    for (const resolve of flushed) resolve()
  }

  function fail(why: string): void {
    if (!isOpen) return
    close()
    onBroken(why)
  }

  function take(seq: number, more: boolean, part: Buffer): void {
    // One that was there before is confirmed again; after a gap the sender begins again where it is.
    if (seq === received + 1) {
      received = seq
      parts.push(part)
      if (parts.length > mostParts) throw new RangeError('sends a message that is too long')
      if (!more) {
        const message = unpackMessage(parts)
        parts = []
        onMessage(message)
      }
    }
    if (isOpen) transmit(0, false, Buffer.alloc(0))
  }

  return {
    send(message) {
      if (!isOpen) return
      const packed = packMessage(message)
      for (const [at, part] of packed.entries())
        queue.push({ seq: ++numbered, more: at < packed.length - 1, part: Buffer.from(part) })
      advance()
    },
    receive(payload) {
      if (!isOpen) return
      heardAt = performance.now()
      try {
        const { seq, ack, more, part } = decodeFrame(payload)
        confirm(ack)
        if (seq > 0) take(seq, more, part)
      } catch (error) {
        fail(error instanceof Error ? error.message : String(error))
      }
    },
    flush: () => new Promise((resolve) => (isOpen && queue.length > 0 ? flushed.push(resolve) : resolve())),
    [Symbol.dispose]: close,
  }
}
