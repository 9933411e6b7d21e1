import { decodeText } from './text.ts'
import { malformed } from './violation.ts'

const short = () => malformed('the packet ends too early')

/** Reads the body of one packet; nothing beyond `end` is looked at. */
export class Reader {
  bytes: Buffer = Buffer.alloc(0)
  at = 0
  end = 0

  byte(): number {
    if (this.at >= this.end) throw short()
    return this.bytes[this.at++] as number
  }

  uint16(): number {
    const { at, bytes } = this
    if (at + 2 > this.end) throw short()
    this.at = at + 2
    return ((bytes[at] as number) << 8) | (bytes[at + 1] as number)
  }

  uint32(): number {
    return this.uint16() * 65_536 + this.uint16()
  }

  /** A variable byte integer of MQTT 5, in the fewest bytes. [MQTT-1.5.5-1] */
  variable(): number {
    let value = 0
    for (let shift = 0; shift <= 21; shift += 7) {
      const byte = this.byte()
      value |= (byte & 0x7f) << shift
      if (byte & 0x80) continue
      if (byte === 0 && shift > 0) throw malformed('a variable byte integer is longer than it need be')
      return value
    }
    throw malformed('a variable byte integer has more than four bytes')
  }

  text(): string {
    const from = this.#skipCounted()
    return decodeText(this.bytes, from, this.at)
  }

  /** A piece of the buffer that was read, not a copy. */
  binary(): Buffer {
    const from = this.#skipCounted()
    return this.bytes.subarray(from, this.at)
  }

  rest(): Buffer {
    const { at } = this
    this.at = this.end
    return this.bytes.subarray(at, this.end)
  }

  packetId(): number {
    const id = this.uint16()
    // [MQTT-2.2.1-3] [MQTT-2.3.1-1]
    if (id === 0) throw malformed('the packet id is 0')
    return id
  }

  requireEnd(): void {
    if (this.at !== this.end) throw malformed('the packet is longer than its content')
  }

  #skipCounted(): number {
    const length = this.uint16()
    const from = this.at
    if (from + length > this.end) throw short()
    this.at = from + length
    return from
  }
}
