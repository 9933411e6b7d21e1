import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { createSerial } from '../certificate/serial.ts'
import { createTestCa } from '../testing.ts'
import { createCrlEntries, type RevokedCertificate } from './entries.ts'
import type { CrlReason } from './reason.ts'
import { signCrl } from './sign.ts'

const second = (n: number) => new Date(1_800_000_000_000 + n * 1000)
const one = (serial: string, more: Partial<RevokedCertificate> = {}): RevokedCertificate => ({
  ...{ serial, revokedAt: second(0), notAfter: second(100) },
  ...more,
})
const bytesOf = (entries: ReturnType<typeof createCrlEntries>) => Buffer.concat(entries.snapshot())

describe('works', () => {
  test('an entry is a serial number, a time, and a reason where there is one', () => {
    const plain = createCrlEntries([one('80')])
    expect(bytesOf(plain).toString('hex')).toBe(`301302020080170d${Buffer.from('270115080000Z').toString('hex')}`)
    const withReason = createCrlEntries([one('7f', { reason: 'keyCompromise' })])
    expect(bytesOf(withReason).toString('hex')).toContain('300c300a0603551d1504030a0101')
    expect(bytesOf(createCrlEntries([one('80', { reason: 'unspecified' })]))).toEqual(bytesOf(plain))
  })

  test('adding again changes nothing, adding otherwise replaces', () => {
    const entries = createCrlEntries()
    expect(entries.add(one('41'))).toBe(true)
    expect(entries.add(one('41'))).toBe(false)
    expect(entries.add(one('0041'))).toBe(false)
    expect(entries.add(one('41', { reason: 'keyCompromise' }))).toBe(true)
    expect(entries.size).toBe(1)
    expect(bytesOf(entries)).toEqual(bytesOf(createCrlEntries([one('41', { reason: 'keyCompromise' })])))
  })

  test('what expired leaves: after its last second, not in it', () => {
    const entries = createCrlEntries([10, 20, 30].map((n) => one(`4${n}0`, { notAfter: second(n) })))
    expect(entries.removeExpired(second(20))).toBe(1)
    expect(entries.has('4200')).toBe(true)
    expect(entries.removeExpired(second(21))).toBe(1)
    expect(entries.removeExpired(second(21))).toBe(0)
    expect([entries.has('4100'), entries.has('4200'), entries.has('4300')]).toEqual([false, false, true])
    expect(bytesOf(entries)).toEqual(bytesOf(createCrlEntries([one('4300')])))
  })

  test('a certificate without an end stays', () => {
    const entries = createCrlEntries([one('41', { notAfter: new Date('9999-12-31T23:59:59Z') })])
    expect(entries.removeExpired(new Date('2106-02-07T06:28:15Z'))).toBe(0)
    expect(entries.size).toBe(1)
  })

  test('a snapshot stays what it was', () => {
    const entries = createCrlEntries(Array.from({ length: 5000 }, (_, i) => one((0x410000 + i).toString(16))))
    const snapshot = entries.snapshot()
    const before = Buffer.concat(snapshot)
    for (let i = 0; i < 5000; i++) {
      entries.add(one((0x420000 + i).toString(16), { notAfter: second(1) }))
      if (i % 2) entries.remove((0x410000 + i).toString(16))
    }
    entries.removeExpired(second(50))
    expect(Buffer.concat(snapshot).equals(before)).toBe(true)
    expect(entries.size).toBe(2500)
  })

  test('a revocation that comes while a list is signed is in the next one', async () => {
    const { issuer } = await createTestCa()
    const entries = createCrlEntries([one('41')])
    const content = { number: 1, thisUpdate: second(0), nextUpdate: second(60), urls: [], entries }
    const signing = signCrl(issuer, content)
    entries.add(one('42'))
    const [first, second_] = [(await signing).der(), (await signCrl(issuer, content)).der()]
    expect(second_.length - first.length).toBeGreaterThanOrEqual(15)
    expect(first.includes(Buffer.from('020142', 'hex'))).toBe(false)
  })
})

type Step =
  | { do: 'add'; serial: number; reason: CrlReason; notAfter: number }
  | { do: 'remove'; serial: number }
  | { do: 'expire'; at: number }

const serial = fc.integer({ min: 1, max: 12 }).map((n) => n * 0x1001)
const reason = fc.constantFrom<CrlReason>('unspecified', 'superseded', 'certificateHold')
const step: fc.Arbitrary<Step> = fc.oneof(
  fc.record({ do: fc.constant('add' as const), serial, reason, notAfter: fc.integer({ min: 0, max: 60 }) }),
  fc.record({ do: fc.constant('remove' as const), serial }),
  fc.record({ do: fc.constant('expire' as const), at: fc.integer({ min: 0, max: 60 }) }),
)
const hexOf = (n: number) => n.toString(16).padStart(6, '0')

describe('whatever happens', () => {
  test('it holds what a map would hold', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const entries = createCrlEntries()
        const model = new Map<string, RevokedCertificate>()
        for (const step of steps) {
          if (step.do === 'add') {
            const added = one(hexOf(step.serial), { reason: step.reason, notAfter: second(step.notAfter) })
            const known = model.get(added.serial)
            expect(entries.add(added)).toBe(known?.reason !== added.reason)
            // The end of a certificate does not change: what is there already stays.
            if (known?.reason !== added.reason) model.set(added.serial, added)
          } else if (step.do === 'remove') {
            expect(entries.remove(hexOf(step.serial))).toBe(model.delete(hexOf(step.serial)))
          } else {
            const gone = [...model].filter(([, { notAfter }]) => notAfter < second(step.at))
            expect(entries.removeExpired(second(step.at))).toBe(gone.length)
            for (const [serial] of gone) model.delete(serial)
          }
          expect(entries.size).toBe(model.size)
        }
        expect(bytesOf(entries).length).toBe(entries.byteLength)
        const fresh = createCrlEntries(model.values())
        expect(fresh.byteLength).toBe(entries.byteLength)
        for (const { serial } of model.values()) expect(entries.has(serial)).toBe(true)
      }),
      { numRuns: 300 },
    )
  })
})

describe('rejects', () => {
  test.each(['', '4', 'zz', 'AB', '0x41', `${'41'.repeat(20)}00`])('%j as a serial number', (serial) => {
    expect(() => createCrlEntries().add(one(serial))).toThrow(RangeError)
  })

  test('a date that is none', () => {
    const entries = createCrlEntries()
    expect(() => entries.add(one('41', { revokedAt: new Date(Number.NaN) }))).toThrow(RangeError)
    expect(() => entries.add(one('41', { notAfter: new Date(Number.NaN) }))).toThrow(RangeError)
    expect(entries.size).toBe(0)
    expect(entries.snapshot()).toEqual([])
  })
})

test('little memory', () => {
  const count = 100_000
  const entries = createCrlEntries(
    Array.from({ length: count }, () => one(createSerial().toString('hex'), { reason: 'keyCompromise' })),
  )
  expect(entries.byteLength / count).toBe(49)
  const held = entries.snapshot().reduce((sum, { buffer }) => sum + buffer.byteLength, 0)
  expect(held / count).toBeLessThan(49 * 1.25)
})
