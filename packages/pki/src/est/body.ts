import { MusterError } from '@muster/contracts'
import { decodeBase64 } from '../pem.ts'

/**
 * The base64 of an EST body. Lines of 64 columns with CRLF are what RFC 7030 (RFC 2045: at most 76) and RFC 8951 §3.1 both let
 * through, and the longest that every decoder in the field reads; 0 is one line without a break.
 */
export function encodeEstBody(der: Uint8Array, lineLength: 0 | 64 | 76 = 64): string {
  const base64 = Buffer.from(der.buffer, der.byteOffset, der.byteLength).toString('base64')
  if (lineLength === 0) return base64
  let body = ''
  for (let at = 0; at < base64.length; at += lineLength) body += `${base64.slice(at, at + lineLength)}\r\n`
  return body
}

const maxTextLength = 32 * 1024

/** RFC 8951 §3.1: base64 with or without line breaks. @throws MusterError `request-invalid` or `request-too-large` */
export function decodeEstBody(body: Uint8Array | string): Buffer {
  if (body.length > maxTextLength) throw new MusterError('request-too-large', 'the body is too large')
  return decodeBase64(typeof body === 'string' ? body : Buffer.from(body).toString('latin1'))
}
