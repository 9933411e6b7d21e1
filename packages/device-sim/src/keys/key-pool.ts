import type { KeyObject } from 'node:crypto'
import { generateKey, type KeyAlgorithm } from '@muster/pki'

/** Kept ready of each kind: enough for what boots at once, not so many that they cost memory. */
const ahead = 64
const atOnce = 4

/** Keys that are made in the background before they are asked for: where making them is not what is measured. */
export class KeyPool {
  readonly #kinds = new Map<KeyAlgorithm, { ready: KeyObject[]; making: number; expected: number }>()
  #failure: unknown

  /** So many more will be asked for. */
  expect(algorithm: KeyAlgorithm, count: number): void {
    this.#kindOf(algorithm).expected += count
    this.#fill(algorithm)
  }

  async take(algorithm: KeyAlgorithm): Promise<KeyObject> {
    if (this.#failure) throw this.#failure
    const kind = this.#kindOf(algorithm)
    kind.expected = Math.max(0, kind.expected - 1)
    const key = kind.ready.pop()
    this.#fill(algorithm)
    return key ?? generateKey(algorithm)
  }

  #kindOf(algorithm: KeyAlgorithm) {
    const kind = this.#kinds.get(algorithm) ?? { ready: [], making: 0, expected: 0 }
    this.#kinds.set(algorithm, kind)
    return kind
  }

  #fill(algorithm: KeyAlgorithm): void {
    const kind = this.#kindOf(algorithm)
    while (kind.making < atOnce && kind.ready.length + kind.making < Math.min(ahead, kind.expected)) {
      kind.making += 1
      generateKey(algorithm)
        .then((key) => kind.ready.push(key))
        .catch((error: unknown) => {
          this.#failure = error
        })
        .finally(() => {
          kind.making -= 1
          if (!this.#failure) this.#fill(algorithm)
        })
    }
  }
}
