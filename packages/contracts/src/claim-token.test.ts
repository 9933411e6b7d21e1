import { expect, test } from 'vitest'
import { formatClaimToken, parseClaimToken } from './claim-token.ts'

const parts = { id: '0123456789abcdef', secret: `${'A'.repeat(42)}_`, rootFingerprint: 'ab'.repeat(32) }

test('a claim is read as it was written', () => expect(parseClaimToken(formatClaimToken(parts))).toEqual(parts))

test.each(['', 'muster1', 'muster2.a.b.c', `${formatClaimToken(parts)}.x`, formatClaimToken(parts).toUpperCase()])(
  'refused without being repeated: %s',
  (token) => {
    expect(() => parseClaimToken(token)).toThrow(expect.objectContaining({ code: 'claim-invalid' }))
    expect(() => parseClaimToken(token)).not.toThrow(token.length > 8 ? token : 'nothing')
  },
)
