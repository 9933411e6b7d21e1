const p = (1n << 255n) - 19n

const orderEight = 0x05fc536d880238b13933c6d305acdfd5f098eff289f4c345b027b2c28f95e826n

/** y of the points of small order: with such a key anybody can sign. */
const smallOrder = new Set([0n, 1n, p - 1n, orderEight, p - orderEight])

/** Also true for a second spelling (y >= p) of a point. */
export function isWeakEd25519Point(encoded: Uint8Array): boolean {
  const bigEndian = Buffer.from(encoded).reverse()
  bigEndian[0] = (bigEndian[0] ?? 0) & 0x7f
  const y = BigInt(`0x${bigEndian.toString('hex')}`)
  return y >= p || smallOrder.has(y)
}
