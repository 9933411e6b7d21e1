import { expect, test } from 'vitest'
import { createThrottle, summariseLogLine } from './log-line.ts'

const line = (fields: object) => JSON.stringify({ time: 1, node: 'broker-1', ...fields })

test.each([
  [line({ level: 30, msg: 'ready' }), undefined],
  [line({ level: 40, msg: 'slow' }), 'slow'],
  [line({ level: 50, msg: 'failed', err: { message: 'no disk', stack: 'at …' } }), 'failed: no disk'],
  [
    line({ level: 40, msg: 'refused', code: 'claim-expired', detail: 'it has expired' }),
    'refused: claim-expired: it has expired',
  ],
  ['', undefined],
  ['  at main.ts:1', '  at main.ts:1'],
  ['{broken', '{broken'],
  [line({ level: 50, msg: '\x1b[2J' }), '\\u001b[2J'],
])('%s', (text, shown) => {
  expect(summariseLogLine(text)).toBe(shown)
})

test('a flood ends with one line that says where the rest is', () => {
  let now = 0
  const mayShow = createThrottle('more in the log', { most: 2, everyMs: 100, now: () => now })
  expect(['a', 'b', 'c', 'd'].map(mayShow)).toEqual(['a', 'b', 'more in the log', undefined])
  now = 100
  expect(mayShow('e')).toBe('e')
})
