import { X509Certificate } from 'node:crypto'
import { createTestCa, poolKey } from '@muster/pki/testing'
import { expect, test } from 'vitest'
import { isOnlyExpired } from './only-expired.ts'

const now = new Date()
const ca = await createTestCa()
const twin = await createTestCa()
const issued = async (from: typeof ca, endsInMs: number) => {
  const notAfter = new Date(now.getTime() + endsInMs)
  const notBefore = new Date(notAfter.getTime() - 60_000)
  const { der } = await from.issue({ device: 'd-1' }, await poolKey(), { notBefore, notAfter })
  return { raw: der, valid_to: new X509Certificate(der).validTo }
}
const authorities = [ca.root, ca.issuer.certificate]

test('an expired certificate of our own lacks nothing but time', async () => {
  expect(isOnlyExpired(await issued(ca, -5_000), authorities, now)).toBe(true)
})

test('one that has not expired is not what OpenSSL meant: a CA above it is', async () => {
  expect(isOnlyExpired(await issued(ca, 60_000), authorities, now)).toBe(false)
})

test('one of a CA with the same name and another key lacks more', async () => {
  expect(isOnlyExpired(await issued(twin, -5_000), authorities, now)).toBe(false)
  expect(isOnlyExpired(await issued(ca, -5_000), [], now)).toBe(false)
})
