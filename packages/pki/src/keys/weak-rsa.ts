import { MusterError } from '@muster/contracts'

const smallPrimes = primesBelow(752)
const smallPrimeProduct = smallPrimes.reduce((product, prime) => product * BigInt(prime), 1n)
const fermatRounds = 100

/** Refuses moduli that are known to be factored in practice. @throws MusterError `key-not-allowed` */
export function requireSoundModulus(modulus: Buffer): void {
  const n = BigInt(`0x${modulus.toString('hex')}`)
  const residue = n % smallPrimeProduct
  if (smallPrimes.some((prime) => residue % BigInt(prime) === 0n)) throw refuse('its modulus has a small factor')
  if (isRoca(residue)) throw refuse('it was made by a faulty chip (ROCA, CVE-2017-15361)')
  if (hasCloseFactors(n)) throw refuse('its factors are too close to each other (CVE-2022-26320)')
}

/** Of the primes that the detector of the ROCA paper uses, those that tell: 65537 does not generate all residues. */
const rocaGroups = [3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37, 53, 61, 71, 73, 79, 97, 103, 107, 109, 127, 151, 157].map(
  (prime) => ({ prime: BigInt(prime), powers: powersOf65537(prime) }),
)

function isRoca(residue: bigint): boolean {
  return rocaGroups.every(({ prime, powers }) => powers.has(Number(residue % prime)))
}

function powersOf65537(prime: number): Set<number> {
  const powers = new Set<number>()
  for (let power = 1; !powers.has(power); power = (power * 65537) % prime) powers.add(power)
  return powers
}

function hasCloseFactors(n: bigint): boolean {
  let a = squareRoot(n)
  if (a * a < n) a++
  for (let round = 0; round < fermatRounds; round++, a++) {
    const square = a * a - n
    // Squares end in 0, 1, 4 or 9 modulo 16: most rounds need no root.
    if (!squaresModulo16.has(Number(square & 15n))) continue
    const b = squareRoot(square)
    if (b * b === square) return true
  }
  return false
}

const squaresModulo16 = new Set([0, 1, 4, 9])

function squareRoot(n: bigint): bigint {
  if (n < 2n) return n
  let x = 1n << BigInt(Math.ceil(n.toString(16).length * 2))
  for (;;) {
    const next = (x + n / x) >> 1n
    if (next >= x) return x
    x = next
  }
}

function primesBelow(limit: number): number[] {
  const primes: number[] = []
  for (let n = 2; n < limit; n++) if (primes.every((prime) => n % prime !== 0)) primes.push(n)
  return primes
}

function refuse(why: string): MusterError {
  return new MusterError('key-not-allowed', `the RSA key is weak: ${why}`)
}
