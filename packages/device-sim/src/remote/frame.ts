import { deflateRawSync, inflateRawSync } from 'node:zlib'
import { MusterError } from '@muster/contracts'
import { z } from 'zod'

/** Well below what a policy allows in one message (128 KiB). */
const partBytes = 65_536
/** Of one message, unpacked. */
const mostBytes = 33_554_432

const Header = z.strictObject({
  /** Of the sender, from 1 on; 0 is a frame without content, which is not numbered. */
  seq: z.int().min(0),
  /** The last number that has come in order from the other side. */
  ack: z.int().min(0),
  /** The message goes on in the next frame. */
  more: z.boolean(),
})
export type Frame = z.output<typeof Header> & { part: Buffer }

/** A line of JSON, and what belongs to it. */
export function encodeFrame({ seq, ack, more, part }: Frame): Buffer {
  return Buffer.concat([Buffer.from(`${JSON.stringify({ seq, ack, more })}\n`), part])
}

/** @throws MusterError `request-invalid` */
export function decodeFrame(payload: Buffer): Frame {
  const end = payload.indexOf(0x0a)
  const header = end < 0 ? undefined : Header.safeParse(parseJson(payload.toString('utf8', 0, end))).data
  if (!header || payload.length - end - 1 > partBytes) throw new MusterError('request-invalid', 'not a frame')
  return { ...header, part: payload.subarray(end + 1) }
}

/** What a conversation begins with; anything else is not worth a process. */
export function isFirstFrame(payload: Buffer): boolean {
  try {
    return decodeFrame(payload).seq === 1
  } catch {
    return false
  }
}

/** A message as the contents of frames. */
export function packMessage(message: unknown): Buffer[] {
  const packed = deflateRawSync(JSON.stringify(message))
  const parts: Buffer[] = []
  for (let at = 0; at < packed.length; at += partBytes) parts.push(packed.subarray(at, at + partBytes))
  return parts
}

/** @throws MusterError `request-invalid` */
export function unpackMessage(parts: readonly Buffer[]): unknown {
  try {
    return parseJson(inflateRawSync(Buffer.concat(parts), { maxOutputLength: mostBytes }).toString())
  } catch (cause) {
    throw new MusterError('request-invalid', 'not a message', { cause })
  }
}

/** What may be kept of a message that is not complete yet. */
export const mostParts = mostBytes / partBytes

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch (cause) {
    throw new MusterError('request-invalid', 'not JSON', { cause })
  }
}
