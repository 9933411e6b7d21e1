import { expect, test } from 'vitest'
import { createSecret, hashSecret, isSecret } from './secret.ts'

test('only the secret itself is the secret', () => {
  const secret = createSecret()
  const stored = hashSecret(secret)
  expect(secret).toMatch(/^[A-Za-z0-9_-]{43}$/)
  expect(isSecret(secret, stored)).toBe(true)
  expect(isSecret(createSecret(), stored)).toBe(false)
  expect(isSecret('', stored)).toBe(false)
  expect(isSecret(secret, undefined)).toBe(false)
})
