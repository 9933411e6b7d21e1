import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { DerError, DerReader, readDer, requireWellFormed } from './reader.ts'
import {
  contextConstructed,
  type Der,
  encodeDer,
  objectIdentifier,
  octetString,
  sequence,
  set,
  smallInteger,
  tagged,
  time,
  unsignedInteger,
  utf8String,
} from './writer.ts'

const hex = (value: Der) => encodeDer(value).toString('hex')
const bytes = (text: string) => Buffer.from(text.replaceAll(' ', ''), 'hex')

describe('writer', () => {
  test.each([
    [0, '0400'],
    [1, '0401'],
    [127, '047f'],
    [128, '048180'],
    [255, '0481ff'],
    [256, '04820100'],
    [65_535, '0482ffff'],
    [65_536, '0483010000'],
    [16_777_216, '048401000000'],
  ])('writes the length %i in as few octets as possible', (length, header) => {
    const encoded = encodeDer(octetString(Buffer.alloc(length)))
    expect(encoded.subarray(0, header.length / 2).toString('hex')).toBe(header)
    expect(encoded.length).toBe(header.length / 2 + length)
  })

  test.each([
    ['00', '020100'],
    ['7f', '02017f'],
    ['80', '02020080'],
    ['0001', '020101'],
    ['ff00', '020300ff00'],
    ['', '020100'],
  ])('writes the unsigned integer %s as %s', (magnitude, encoded) => {
    expect(hex(unsignedInteger(bytes(magnitude)))).toBe(encoded)
  })

  test.each([
    ['1.2.840.113549.1.1.11', '06092a864886f70d01010b'],
    ['2.5.4.3', '0603550403'],
    ['2.16.840.1.101.3.4.2.1', '0609608648016503040201'],
    ['2.999.1', '0603883701'],
  ])('writes and reads the object identifier %s', (dotted, encoded) => {
    expect(hex(objectIdentifier(dotted))).toBe(encoded)
    expect(new DerReader(bytes(encoded)).objectIdentifier()).toBe(dotted)
  })

  test.each([
    ['1949-12-31T23:59:59Z', '\x18\x0f19491231235959Z'],
    ['1950-01-01T00:00:00Z', '\x17\x0d500101000000Z'],
    ['2049-12-31T23:59:59Z', '\x17\x0d491231235959Z'],
    ['2050-01-01T00:00:00Z', '\x18\x0f20500101000000Z'],
    ['9999-12-31T23:59:59.999Z', '\x18\x0f99991231235959Z'],
  ])('writes %s as RFC 5280 wants it', (at, encoded) => {
    expect(encodeDer(time(new Date(at))).toString('latin1')).toBe(encoded)
  })

  test('refuses what it cannot write', () => {
    expect(() => time(new Date(Number.NaN))).toThrow(RangeError)
    expect(() => time(new Date('+010000-01-01T00:00:00Z'))).toThrow(RangeError)
    expect(() => smallInteger(-1)).toThrow(RangeError)
    expect(() => smallInteger(1.5)).toThrow(RangeError)
    expect(() => objectIdentifier('1.x')).toThrow(RangeError)
  })

  test('grows linearly', () => {
    const entries = Array.from({ length: 200_000 }, () => sequence(unsignedInteger(Buffer.alloc(16, 0x55))))
    expect(encodeDer(tagged(0x30, entries)).length).toBe(200_000 * 20 + 5)
  })
})

interface Tree {
  tag: number
  children?: Tree[]
  content?: Uint8Array
}

const { tree } = fc.letrec<{ tree: Tree; leaf: Tree; node: Tree }>((tie) => ({
  tree: fc.oneof({ maxDepth: 6, withCrossShrink: true }, tie('leaf'), tie('node')),
  leaf: fc.record({ tag: fc.constantFrom(0x02, 0x04, 0x0c, 0x80), content: fc.uint8Array({ maxLength: 300 }) }),
  node: fc.record({ tag: fc.constantFrom(0x30, 0x31, 0xa0), children: fc.array(tie('tree'), { maxLength: 4 }) }),
}))

const build = ({ tag, content, children = [] }: Tree): Der => tagged(tag, content ? [content] : children.map(build))

function parse(reader: DerReader): Tree {
  const { tag, content } = reader.next()
  if (!(tag & 0x20)) return { tag, content: Uint8Array.from(content) }
  const inner = new DerReader(content)
  const children: Tree[] = []
  while (!inner.done) children.push(parse(inner))
  return { tag, children }
}

describe('reader', () => {
  test('reads back every tree that was written', () => {
    fc.assert(
      fc.property(tree, (value) => {
        const encoded = encodeDer(build(value))
        requireWellFormed(encoded)
        const reader = new DerReader(encoded)
        expect(parse(reader)).toEqual(value)
        expect(reader.done).toBe(true)
      }),
    )
  })

  test('reads back every unsigned integer', () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 1, maxLength: 24 }), (magnitude) => {
        const read = new DerReader(encodeDer(unsignedInteger(magnitude))).unsignedInteger()
        expect(BigInt(`0x${read.toString('hex')}`)).toBe(BigInt(`0x${Buffer.from(magnitude).toString('hex')}`))
      }),
    )
  })

  test.each([
    ['no bytes at all', ''],
    ['a tag without a length', '30'],
    ['the end-of-contents tag', '0000'],
    ['a high tag number', '1f8101 00'],
    ['an indefinite length', '3080 0201010000'],
    ['a reserved length', '30ff'],
    ['a length that is cut off', '3082 01'],
    ['a long length where a short one does', '3081 03 020101'],
    ['a length of five octets', '308500000000 00'],
    ['a value that ends beyond the input', '3004 0201'],
    ['an inner value that ends beyond its container', '3003 020201'],
    ['bytes after the value', '3003 020101 00'],
    ['another tag', '3103 020101'],
    ['a negative integer', '3003 0201ff'],
    ['an empty integer', '3002 0200'],
    ['an integer that is not minimal', '3004 02020001'],
    ['more inside than expected', '3006 020101 020101'],
  ])('refuses %s', (_, input) => {
    expect(() => readDer(bytes(input), 0x30, (inner) => inner.unsignedInteger())).toThrow(DerError)
  })

  test.each([
    ['an arc that is not minimal', '0603 2a8001'],
    ['an arc that is cut off', '0602 2a86'],
    ['no arcs', '0600'],
    ['an arc beyond every integer', `060a 2a${'ff'.repeat(8)}7f`],
  ])('refuses an object identifier with %s', (_, input) => {
    expect(() => new DerReader(bytes(input)).objectIdentifier()).toThrow(DerError)
  })

  test('refuses a value that ends beyond the input, also where nothing follows', () => {
    expect(() => new DerReader(bytes('0203 0101')).unsignedInteger()).toThrow(DerError)
  })

  test('refuses a bit string that does not consist of octets', () => {
    expect(() => new DerReader(bytes('0302 0780')).bitString()).toThrow(DerError)
    expect(() => new DerReader(bytes('0300')).bitString()).toThrow(DerError)
  })

  test.each([
    ['a constructed string', '2c04 0c020000'],
    ['a primitive sequence', '1000'],
    ['a long length with a leading zero', `04820080${'00'.repeat(128)}`],
    ['something broken inside a part that nobody reads', '3006 a004 300202ff'],
  ])('a form check refuses %s', (_, input) => {
    expect(() => requireWellFormed(bytes(input))).toThrow(DerError)
  })

  test('limits the depth', () => {
    let nested: Der = utf8String('core')
    for (let depth = 0; depth < 20; depth++) nested = depth % 2 ? set(nested) : contextConstructed(0, nested)
    expect(() => requireWellFormed(encodeDer(nested))).not.toThrow()
    for (let depth = 0; depth < 20; depth++) nested = sequence(nested)
    expect(() => requireWellFormed(encodeDer(nested))).toThrow(DerError)
  })

  test('never throws anything but DerError', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 64 }), (input) => {
        try {
          requireWellFormed(input)
        } catch (error) {
          expect(error).toBeInstanceOf(DerError)
        }
      }),
      { numRuns: 2000 },
    )
  })
})
