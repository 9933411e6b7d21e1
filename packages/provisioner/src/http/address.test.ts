import { expect, test } from 'vitest'
import { isInNetworks, limitedTogether } from './address.ts'

test.each([
  ['192.0.2.7', ['192.0.2.0/24'], true],
  ['192.0.3.7', ['192.0.2.0/24'], false],
  ['192.0.3.7', ['192.0.2.0/24', '192.0.3.7/32'], true],
  ['2001:db8::1', ['2001:db8::/32'], true],
  ['2001:db9::1', ['2001:db8::/32'], false],
  ['192.0.2.7', ['2001:db8::/32'], false],
  ['192.0.2.7', ['0.0.0.0/0'], true],
  ['192.0.2.7', ['::/0'], true],
  ['', ['0.0.0.0/0'], false],
])('%s in %j: %s', (address, networks, expected) => expect(isInNetworks(address, networks)).toBe(expected))

test.each([
  ['192.0.2.7', '192.0.2.7'],
  ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2'],
  ['2001:db8::6', '2001:db8:0:0'],
  ['::1', '0:0:0:0'],
  ['2001:db8:1:2::', '2001:db8:1:2'],
])('%s is limited as %s', (address, expected) => expect(limitedTogether(address)).toBe(expected))
