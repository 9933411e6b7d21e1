import { isUtf8 } from 'node:buffer'
import { malformed } from './violation.ts'

/** Longer than this, checking in C++ is faster than checking here. */
const shortBytes = 96

/**
 * A UTF-8 string as it may stand in a packet: well-formed, no surrogates, no U+0000. A byte order mark stays.
 * [MQTT-1.5.4-1] [MQTT-1.5.4-2] [MQTT-1.5.4-3]
 */
export function decodeText(bytes: Buffer, from: number, to: number): string {
  if (to - from <= shortBytes) {
    let at = from
    // ASCII without NUL, as nearly every text is.
    while (at < to && (((bytes[at] as number) - 1) & 0xff) < 0x7f) at++
    if (at === to) return bytes.toString('latin1', from, to)
  }
  const part = bytes.subarray(from, to)
  if (!isUtf8(part)) throw malformed('a text is not UTF-8')
  if (part.includes(0)) throw malformed('a text contains U+0000')
  return part.toString()
}
