import { createPublicKey, randomBytes, verify } from 'node:crypto'
import { readdir } from 'node:fs/promises'
import { openPkcs11KeyStore, type Pkcs11Options, type TokenError, type TokenKeyAlgorithm } from '@muster/pkcs11'
import { openSoftHsm, type SoftHsm } from '@muster/pkcs11/testing'
import { CaError, type KeyStore, openCa, signatureAlgorithmFor } from '@muster/pki'
import { openOpensslRoom } from '@muster/pki/testing/openssl'
import { requireWorking } from '@muster/pki/testing/verify-leaf'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'

const now = new Date('2026-11-21T08:00:00Z')

let hsm: SoftHsm
beforeEach(async () => {
  hsm = await openSoftHsm()
})
afterEach(() => hsm?.[Symbol.asyncDispose]())

const open = (options: Partial<Pkcs11Options> = {}) => openPkcs11KeyStore({ ...hsm.address, env: hsm.env, ...options })
const because = (reason: string) => ({ code: 'unavailable', cause: { reason } })
const isGood = (spki: Buffer, bytes: Uint8Array, signature: Buffer) => {
  const key = createPublicKey({ key: spki, format: 'der', type: 'spki' })
  return verify(signatureAlgorithmFor(key).hash, bytes, key, signature)
}

describe('a key', () => {
  test.each<[TokenKeyAlgorithm, string]>([
    ['p256', 'ec'],
    ['p384', 'ec'],
    ['rsa3072', 'rsa'],
  ])('is made in the token and signs there: %s', async (algorithm, type) => {
    await using store = await open({ algorithm })
    const signer = await store.create('root')
    expect(createPublicKey({ key: signer.spki, format: 'der', type: 'spki' }).asymmetricKeyType).toBe(type)
    // Often enough for r and s with leading zeros and high bits.
    const messages = Array.from({ length: 50 }, () => randomBytes(40))
    const signatures = await Promise.all(messages.map((message) => signer.sign(message)))
    const good = messages.map((message, index) => isGood(signer.spki, message, signatures[index] ?? Buffer.alloc(0)))
    expect(good).toEqual(messages.map(() => true))
    const joined = await signer.signParts?.(messages)
    expect(isGood(signer.spki, Buffer.concat(messages), joined ?? Buffer.alloc(0))).toBe(true)
  })

  test('is not there until it is made, once, and found again by another process', async () => {
    await using store = await open()
    expect(await store.open('issuing-1')).toBeUndefined()
    const { spki } = await store.create('issuing-1')
    expect((await store.create('issuing-1')).spki).toEqual(spki)
    await using later = await open()
    const found = await later.open('issuing-1')
    expect(found?.spki).toEqual(spki)
    expect(await later.open('issuing-2')).toBeUndefined()
  })

  test('is one key however often it is asked for at once', async () => {
    await using store = await open()
    const signers = await Promise.all(Array.from({ length: 4 }, () => store.create('root')))
    expect(new Set(signers.map(({ spki }) => spki.toString('hex'))).size).toBe(1)
    await using later = await open()
    expect((await later.create('root')).spki).toEqual(signers[0]?.spki)
  })

  test('cannot be taken out of the token', async () => {
    await using store = await open()
    await store.create('root')
    const attributes = ['CKA_SENSITIVE', 'CKA_EXTRACTABLE', 'CKA_NEVER_EXTRACTABLE', 'CKA_PRIVATE']
    expect(await hsm.inspect('muster-root', attributes)).toEqual(['01', '00', '01', '01'])
    await expect(hsm.inspect('muster-root', ['CKA_VALUE'])).rejects.toThrow('CKR_ATTRIBUTE_SENSITIVE')
  })

  test('of which there are two by one name is not guessed at', async () => {
    await using store = await open()
    await store.create('root')
    await hsm.addKey('muster-root')
    await expect(store.open('root')).rejects.toThrow(CaError)
    await expect(store.open('root')).rejects.toMatchObject({ code: 'key-mismatch' })
  })
})

test('a CA in a token issues what openssl takes for good, and opens again after a restart', async () => {
  await using room = await openOpensslRoom()
  const { directory } = room
  let certificate: Buffer
  {
    await using keys = await open({ algorithm: 'p384' })
    const ca = await openCa({ directory, now, keys })
    certificate = ca.issuer.certificate.raw
    await requireWorking(ca, now)
  }
  expect((await readdir(directory)).filter((file) => /key|passphrase/.test(file))).toEqual([])
  await using keys = await open()
  const again = await openCa({ directory, now, keys })
  expect(again.issuer.certificate.raw).toEqual(certificate)
  await requireWorking(again, now)
})

describe('what is wrong is said', () => {
  test('a module that is not there, a token that is not there, two tokens of one name', async () => {
    await expect(open({ module: '/nowhere/hsm.so' })).rejects.toMatchObject(because('module-missing'))
    await expect(open({ token: 'another' })).rejects.toMatchObject(because('token-missing'))
    await hsm.addToken(hsm.address.token, hsm.address.pin)
    await expect(open()).rejects.toMatchObject(because('token-missing'))
  })

  test('a wrong PIN, which is tried once and is in no message', async () => {
    const pin = '00000-wrong'
    const failure = await open({ pin }).catch((error: unknown) => error)
    expect(failure).toMatchObject({ ...because('pin-refused'), cause: { code: 'CKR_PIN_INCORRECT' } })
    expect(JSON.stringify([failure, String(failure)])).not.toContain(pin)
    await using _store = await open()
  })
})

describe('the HSM is away', () => {
  /** Between two attempts to reach it there is a pause. */
  const untilItSigns = (sign: () => Promise<Buffer>) => vi.waitFor(sign, { timeout: 10_000, interval: 100 })

  test('an error, and it goes on when the HSM is back', async () => {
    const events: string[] = []
    const options = { onLost: (error: TokenError) => events.push(error.reason), onFound: () => events.push('found') }
    await using store = await open(options)
    const signer = await store.create('root')
    await hsm.takeAway()
    const bytes = randomBytes(32)
    const attempts = await Promise.allSettled(Array.from({ length: 20 }, () => signer.sign(bytes)))
    expect(attempts.every(({ status }) => status === 'rejected')).toBe(true)
    await expect(signer.sign(bytes)).rejects.toMatchObject(because('away'))
    await expect(store.open('root')).rejects.toMatchObject({ code: 'unavailable' })
    await expect(store.create('issuing-1')).rejects.toMatchObject({ code: 'unavailable' })
    await hsm.bringBack()
    expect(isGood(signer.spki, bytes, await untilItSigns(() => signer.sign(bytes)))).toBe(true)
    expect(events).toEqual(['away', 'found'])
    expect(await store.open('issuing-1')).toBeUndefined()
  })

  test('a CA that was being made is made when it is back, with nothing half done', async () => {
    await using room = await openOpensslRoom()
    const { directory } = room
    await using store = await open()
    const cut: KeyStore = {
      open: (name) => store.open(name),
      async create(name) {
        const signer = await store.create(name)
        if (name === 'issuing-1') await hsm.takeAway()
        return signer
      },
    }
    await expect(openCa({ directory, now, keys: cut })).rejects.toMatchObject({ code: 'unavailable' })
    expect((await readdir(directory)).sort()).toEqual(['root.crt'])
    await hsm.bringBack()
    await vi.waitFor(() => store.open('root'), { timeout: 10_000, interval: 100 })
    await requireWorking(await openCa({ directory, now, keys: store }), now)
  })

  test('its library has ended its process: the same call is answered by a new one', async () => {
    await using store = await open()
    const signer = await store.create('root')
    const bytes = randomBytes(32)
    process.kill(await hsm.findProcess(), 'SIGKILL')
    expect(isGood(signer.spki, bytes, await signer.sign(bytes))).toBe(true)
  })

  test('its library hangs: an error in time, and a new process after', async () => {
    await using store = await open({ patienceMs: 1_500 })
    const signer = await store.create('root')
    const bytes = randomBytes(32)
    process.kill(await hsm.findProcess(), 'SIGSTOP')
    await expect(signer.sign(bytes)).rejects.toMatchObject(because('silent'))
    expect(isGood(signer.spki, bytes, await untilItSigns(() => signer.sign(bytes)))).toBe(true)
  })

  test('a PIN that was changed meanwhile is not tried twice', async () => {
    await using store = await open()
    const signer = await store.create('root')
    await hsm.changePin(hsm.address.pin, '998877')
    process.kill(await hsm.findProcess(), 'SIGKILL')
    await expect(signer.sign(randomBytes(32))).rejects.toMatchObject(because('pin-refused'))
    await hsm.changePin('998877', hsm.address.pin)
    await expect(signer.sign(randomBytes(32))).rejects.toMatchObject(because('pin-refused'))
  })

  test('a key that was removed is missed, and only it', async () => {
    await using store = await open()
    const [lost, kept] = [await store.create('issuing-1'), await store.create('issuing-2')]
    await hsm.removeKey('muster-issuing-1')
    await expect(lost.sign(randomBytes(32))).rejects.toMatchObject({ code: 'unavailable' })
    await kept.sign(randomBytes(32))
    expect(await store.open('issuing-1')).toBeUndefined()
  })
})

test('nothing of it stays when it is closed', async () => {
  const store = await open()
  const signer = await store.create('root')
  const pid = await hsm.findProcess()
  await store[Symbol.asyncDispose]()
  await expect(signer.sign(randomBytes(32))).rejects.toMatchObject({ code: 'unavailable' })
  expect(() => process.kill(pid, 0)).toThrow()
})
