/** A token gives r and s side by side; X.509 wants SEQUENCE { r, s }. RFC 3279 §2.2.3 */
export function encodeEcdsaSignature(raw: Buffer): Buffer {
  const half = raw.length / 2
  const parts = Buffer.concat([encodeInteger(raw.subarray(0, half)), encodeInteger(raw.subarray(half))])
  return Buffer.concat([Buffer.from([0x30, parts.length]), parts])
}

/** Short lengths only: r and s of P-384 have 48 bytes. */
function encodeInteger(bytes: Buffer): Buffer {
  const first = bytes.findIndex((byte) => byte !== 0)
  const significant = first === -1 ? Buffer.from([0]) : bytes.subarray(first)
  const padding = (significant[0] ?? 0) > 0x7f ? [0] : []
  return Buffer.concat([Buffer.from([0x02, significant.length + padding.length, ...padding]), significant])
}

/** DigestInfo up to the digest itself: SHA-256. RFC 8017 §9.2 */
const sha256Info = Buffer.from('3031300d060960864801650304020105000420', 'hex')

export const encodeDigestInfo = (digest: Buffer): Buffer => Buffer.concat([sha256Info, digest])
