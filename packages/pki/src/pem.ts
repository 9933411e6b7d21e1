import { MusterError } from '@muster/contracts'

const block = /-----BEGIN ([A-Z0-9 ]+)-----[ \t]*\r?\n([A-Za-z0-9+/=\s]*?)-----END ([A-Z0-9 ]+)-----/g

/** One PEM block, 64 columns, with a line break at its end. */
export function encodePem(label: string, der: Uint8Array): string {
  const base64 = Buffer.from(der.buffer, der.byteOffset, der.byteLength).toString('base64')
  let body = ''
  for (let at = 0; at < base64.length; at += 64) body += `${base64.slice(at, at + 64)}\n`
  return `-----BEGIN ${label}-----\n${body}-----END ${label}-----\n`
}

/**
 * The DER of every block; text around blocks is allowed (RFC 7468 §5.2), a block of another label is not.
 * @throws MusterError `request-invalid`
 */
export function decodePem(label: string, pem: string): Buffer[] {
  const found: Buffer[] = []
  for (const [, begin, body = '', end] of pem.matchAll(block)) {
    if (begin !== label || end !== label) throw refuse(`expected a PEM block ${label}`)
    found.push(decodeBase64(body))
  }
  if (found.length === 0) throw refuse(`no PEM block ${label} was found`)
  if (found.length !== pem.split('-----BEGIN').length - 1) throw refuse('a PEM block is malformed')
  return found
}

/** Base64 with or without line breaks; anything a strict encoder would not have written is refused. @throws MusterError `request-invalid` */
export function decodeBase64(text: string): Buffer {
  const compact = text.replace(/[ \t\r\n]+/g, '')
  const bytes = Buffer.from(compact, 'base64')
  if (compact === '' || bytes.toString('base64') !== compact) throw refuse('not base64')
  return bytes
}

function refuse(why: string): MusterError {
  return new MusterError('request-invalid', why)
}
