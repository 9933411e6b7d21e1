import { expect, test } from 'vitest'
import { KeyPool } from './key-pool.ts'

test('every key of the pool is another, of the kind that was asked for', async () => {
  const pool = new KeyPool()
  pool.expect('p256', 20)
  pool.expect('ed25519', 2)
  const keys = await Promise.all(Array.from({ length: 25 }, () => pool.take('p256')))
  expect(new Set(keys.map((key) => key.export({ type: 'pkcs8', format: 'der' }).toString('hex'))).size).toBe(25)
  for (const key of keys) expect(key.asymmetricKeyDetails).toMatchObject({ namedCurve: 'prime256v1' })
  expect((await pool.take('ed25519')).asymmetricKeyType).toBe('ed25519')
})
