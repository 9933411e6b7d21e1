import { expect, test } from 'vitest'
import { openOpensslRoom } from '../testing/openssl.ts'
import { poolKey } from '../testing.ts'
import { decryptKey, encryptKey } from './encrypted-key.ts'

test.each(['p256', 'p384', 'ed25519', 'rsa2048'] as const)(
  'a %s key is read back, here and by openssl',
  async (algorithm) => {
    const key = await poolKey(algorithm)
    const pem = await encryptKey(key, 'correct horse')
    expect(decryptKey(pem, 'correct horse')?.equals(key)).toBe(true)

    await using room = await openOpensslRoom()
    await room.write('key.pem', pem)
    const plain = await room.openssl('pkey', '-in', 'key.pem', '-passin', 'pass:correct horse')
    expect(plain).toBe(key.export({ type: 'pkcs8', format: 'pem' }))
  },
)

test('another passphrase does not open it, and it is never the same twice', async () => {
  const key = await poolKey()
  const pem = await encryptKey(key, 'correct horse')
  expect(decryptKey(pem, 'correct hors')).toBeUndefined()
  expect(decryptKey(pem, '')).toBeUndefined()
  expect(decryptKey('not a key', 'correct horse')).toBeUndefined()
  expect(await encryptKey(key, 'correct horse')).not.toBe(pem)
})
