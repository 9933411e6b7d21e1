import { expect, test } from 'vitest'
import { ByteSize, Duration } from './units.ts'

test.each([
  [90, 90],
  ['90s', 90],
  ['15m', 900],
  ['24h', 86_400],
  ['30d', 2_592_000],
])('%s is %i seconds', (text, seconds) => expect(Duration.parse(text)).toBe(seconds))

test.each([
  ['512B', 512],
  ['128KiB', 131_072],
  ['1MiB', 1_048_576],
  [7, 7],
])('%s is %i bytes', (text, bytes) => expect(ByteSize.parse(text)).toBe(bytes))

test.each(['', '0s', '1w', '-1h', '1.5h', 'h', 0, -1, 1.5])('not a duration: %s', (text) =>
  expect(Duration.safeParse(text).success).toBe(false),
)
