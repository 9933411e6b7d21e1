import { hash } from 'node:crypto'

/** Numbers in [0, 1) that depend on nothing but `path`; sfc32, seeded by SHA-256. */
export function createRandom(...path: (string | number)[]): () => number {
  const digest = hash('sha256', JSON.stringify(path), 'buffer')
  let [a, b, c, counter] = [0, 4, 8, 12].map((at) => digest.readInt32LE(at)) as [number, number, number, number]
  return () => {
    const sum = (((a + b) | 0) + counter) | 0
    counter = (counter + 1) | 0
    a = b ^ (b >>> 9)
    b = (c + (c << 3)) | 0
    c = (((c << 21) | (c >>> 11)) + sum) | 0
    return (sum >>> 0) / 4_294_967_296
  }
}
