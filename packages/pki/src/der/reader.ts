/** The bytes are not the DER that was expected. Callers turn it into an error of their own. */
export class DerError extends Error {
  override readonly name = 'DerError'
}

export interface DerElement {
  tag: number
  content: Buffer
  /** Header and content. */
  raw: Buffer
}

const maxDepth = 24

/** Reads consecutive values. Strict: definite, minimal lengths inside the bounds, low tag numbers, limited depth. */
export class DerReader {
  readonly #bytes: Buffer
  readonly #depth: number
  #at = 0

  constructor(bytes: Uint8Array, depth = 0) {
    if (depth > maxDepth) throw new DerError('nested too deeply')
    this.#bytes = Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
    this.#depth = depth
  }

  get done(): boolean {
    return this.#at === this.#bytes.length
  }

  /** The tag of the next value, if there is one. */
  get nextTag(): number | undefined {
    return this.#bytes[this.#at]
  }

  next(): DerElement {
    const start = this.#at
    const tag = this.#byte()
    if (tag === 0 || (tag & 0x1f) === 0x1f) throw new DerError('unsupported tag')
    const length = this.#length()
    const contentStart = this.#at
    const end = contentStart + length
    if (end > this.#bytes.length) throw new DerError('a value ends beyond its container')
    this.#at = end
    return { tag, content: this.#bytes.subarray(contentStart, end), raw: this.#bytes.subarray(start, end) }
  }

  element(tag: number): DerElement {
    const element = this.next()
    if (element.tag !== tag) throw new DerError(`expected tag ${tag}, found ${element.tag}`)
    return element
  }

  /** Reads a constructed value with `read`, which must use up all of its content. */
  enter<T>(tag: number, read: (inner: DerReader) => T): T {
    const inner = new DerReader(this.element(tag).content, this.#depth + 1)
    const value = read(inner)
    inner.requireEnd()
    return value
  }

  requireEnd(): void {
    if (!this.done) throw new DerError('bytes are left over')
  }

  objectIdentifier(): string {
    const content = this.element(0x06).content
    const arcs: number[] = []
    let arc = 0
    let started = false
    for (const byte of content) {
      if (!started && byte === 0x80) throw new DerError('object identifier is not minimal')
      arc = arc * 128 + (byte & 0x7f)
      if (!Number.isSafeInteger(arc)) throw new DerError('object identifier is too large')
      started = (byte & 0x80) !== 0
      if (started) continue
      arcs.push(arc)
      arc = 0
    }
    const [head, ...rest] = arcs
    if (started || head === undefined) throw new DerError('object identifier is cut off')
    const first = Math.min(2, Math.floor(head / 40))
    return [first, head - first * 40, ...rest].join('.')
  }

  /** The magnitude of a non-negative INTEGER, without a sign octet. */
  unsignedInteger(): Buffer {
    const content = this.element(0x02).content
    const [first, second] = content
    if (first === undefined || first & 0x80) throw new DerError('expected a non-negative integer')
    if (first !== 0 || second === undefined) return content
    if (!(second & 0x80)) throw new DerError('integer is not minimal')
    return content.subarray(1)
  }

  /** A BIT STRING of whole octets. */
  bitString(): Buffer {
    const content = this.element(0x03).content
    if (content[0] !== 0) throw new DerError('expected a bit string of whole octets')
    return content.subarray(1)
  }

  #byte(): number {
    const byte = this.#bytes[this.#at]
    if (byte === undefined) throw new DerError('the end came too early')
    this.#at++
    return byte
  }

  #length(): number {
    const first = this.#byte()
    if (first < 0x80) return first
    const octets = first & 0x7f
    if (octets === 0 || octets > 4) throw new DerError('unsupported length')
    let length = 0
    for (let i = 0; i < octets; i++) length = length * 256 + this.#byte()
    if (length < 0x80 || length < 256 ** (octets - 1)) throw new DerError('length is not minimal')
    return length
  }
}

/** Reads `bytes` as exactly one value. */
export function readDer<T>(bytes: Uint8Array, tag: number, read: (inner: DerReader) => T): T {
  const reader = new DerReader(bytes)
  const value = reader.enter(tag, read)
  reader.requireEnd()
  return value
}

/** Checks the structure of everything inside `bytes`, also of the parts nobody goes on to read. */
export function requireWellFormed(bytes: Uint8Array, depth = 0): void {
  const reader = new DerReader(bytes, depth)
  while (!reader.done) {
    const { tag, content } = reader.next()
    const constructed = (tag & 0x20) !== 0
    const universal = (tag & 0xc0) === 0
    const collection = (tag & 0x1f) === 0x10 || (tag & 0x1f) === 0x11
    // X.690 §10.2: only SEQUENCE and SET are constructed, and they always are.
    if (universal && constructed !== collection) throw new DerError('wrong form of a universal type')
    if (constructed) requireWellFormed(content, depth + 1)
  }
}
