import { createRandom } from '../random.ts'

/**
 * A permutation of 0 to `count` - 1 that needs no table: a Feistel network over the next even power of two, walked until it
 * falls inside. Everybody who knows the path knows it, for one device as for all.
 */
export function createShuffle(count: number, ...path: (string | number)[]): (index: number) => number {
  const random = createRandom(...path)
  const keys = Array.from({ length: 4 }, () => Math.floor(random() * 4_294_967_296) | 0)
  const half = Math.max(1, Math.ceil(Math.log2(Math.max(2, count)) / 2))
  const mask = 2 ** half - 1
  const mixOnce = (value: number) => {
    let [left, right] = [value >>> half, value & mask]
    for (const key of keys) [left, right] = [right, left ^ (scramble(right ^ key) & mask)]
    return ((left << half) | right) >>> 0
  }
  return (index) => {
    let value = mixOnce(index)
    while (value >= count) value = mixOnce(value)
    return value
  }
}

function scramble(value: number): number {
  const once = Math.imul(value ^ (value >>> 16), 0x45d9f3b)
  const twice = Math.imul(once ^ (once >>> 15), 0x2c1b3c6d)
  return twice ^ (twice >>> 16)
}
