import { expect, test } from 'vitest'
import { createEnrolLimits } from './limits.ts'

const token = (id: number) => `muster1.${id.toString(16).padStart(16, '0')}.secret.root`
const isLimited = (asking: Promise<void>) =>
  asking.then(
    () => false,
    (error) => error.code === 'rate-limited' && error.retryAfterSeconds > 0 && error.retryAfterSeconds <= 60,
  )

test('a claim is limited where it was refused, and nowhere else', async () => {
  const limits = createEnrolLimits({ perClaim: 3, perAddress: 100 })
  for (const _ of [1, 2, 3]) {
    expect(await isLimited(limits.require('192.0.2.1', token(1)))).toBe(false)
    await limits.countRefusal('192.0.2.1', token(1))
  }
  expect(await isLimited(limits.require('192.0.2.1', token(1)))).toBe(true)
  expect(await isLimited(limits.require('192.0.2.1', token(2)))).toBe(false)
  expect(await isLimited(limits.require('192.0.2.2', token(1)))).toBe(false)
})

test('an address is limited over all its claims; an IPv6 site counts as one', async () => {
  const limits = createEnrolLimits({ perClaim: 3, perAddress: 10 })
  for (let id = 0; id < 10; id++) await limits.countRefusal(`2001:db8::${id + 1}`, token(id))
  expect(await isLimited(limits.require('2001:db8::ff', token(77)))).toBe(true)
  expect(await isLimited(limits.require('2001:db8:0:1::1', token(77)))).toBe(false)
})
