import { MusterError } from '@muster/contracts'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { decodeBase64, decodePem, encodePem } from './pem.ts'

const codeOf = (run: () => unknown) => {
  try {
    run()
  } catch (error) {
    return error instanceof MusterError ? error.code : error
  }
  return 'nothing thrown'
}

describe('PEM', () => {
  test('is read back, several blocks in order', () => {
    const der = fc.uint8Array({ minLength: 1, maxLength: 200 })
    fc.assert(
      fc.property(fc.array(der, { minLength: 1, maxLength: 4 }), (all) => {
        const text = all.map((one) => encodePem('CERTIFICATE', one)).join('')
        expect(decodePem('CERTIFICATE', text).map((one) => Uint8Array.from(one))).toEqual(all)
        expect(decodePem('CERTIFICATE', text.replaceAll('\n', '\r\n'))).toHaveLength(all.length)
      }),
    )
  })

  test('has lines of 64 columns', () => {
    expect(encodePem('X', Buffer.alloc(49))).toBe(`-----BEGIN X-----\n${'A'.repeat(64)}\nAA==\n-----END X-----\n`)
  })

  test('may have text around it', () => {
    expect(decodePem('X', `Subject: x\n${encodePem('X', Buffer.from('a'))}the end`)).toHaveLength(1)
  })

  const good = encodePem('X', Buffer.alloc(60, 1))
  test.each([
    ['nothing', ''],
    ['no end', good.replace(/-----END.*/s, '')],
    ['another label', good.replaceAll(' X', ' Y')],
    ['another label at the end', good.replace('END X', 'END Y')],
    ['another label beside the right one', good + encodePem('Y', Buffer.from('a'))],
    ['a block that is broken beside a good one', `${good}-----BEGIN X-----\n`],
    ['other characters', good.replace('AQEB', 'AQ*B')],
    ['padding in the middle', good.replace('AQEB', 'AQ==')],
    ['an empty block', '-----BEGIN X-----\n-----END X-----\n'],
  ])('is refused with %s', (_, pem) => {
    expect(codeOf(() => decodePem('X', pem))).toBe('request-invalid')
  })

  test('takes linear time on hostile text', () => {
    const hostile = `-----BEGIN X-----\n${'A\n'.repeat(500_000)}`
    expect(codeOf(() => decodePem('X', hostile))).toBe('request-invalid')
    expect(codeOf(() => decodePem('X', '-----BEGIN X-----\n'.repeat(20_000)))).toBe('request-invalid')
  }, 2_000)
})

describe('base64', () => {
  test('may be broken into lines', () => {
    expect(decodeBase64('QUJD\r\nREVG\n').toString()).toBe('ABCDEF')
  })

  test.each(['', ' ', 'A', 'QUI', 'QUJ=', 'QU-_', 'QUJD=', 'QUJD!', '====', 'QQ==QQ=='])('%j is refused', (text) => {
    expect(codeOf(() => decodeBase64(text))).toBe('request-invalid')
  })
})
