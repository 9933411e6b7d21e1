import { createHash } from 'node:crypto'
import { parseClaimToken } from '@muster/contracts'
import { certificates, devices, refusals } from '@muster/db'
import { eq } from 'drizzle-orm'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { withdrawClaim } from '../claims/withdraw.ts'
import { rejectDevice } from '../devices/reject.ts'
import { resumeDevice } from '../devices/resume.ts'
import { retireDevice } from '../devices/retire.ts'
import { revokeDevice } from '../devices/revoke.ts'
import { suspendDevice } from '../devices/suspend.ts'
import { csrOf, openStage, peer, refusalOf, type Stage } from '../testing/stage.ts'

let stage: Stage
beforeAll(async () => {
  stage = await openStage()
})
afterAll(() => stage?.[Symbol.asyncDispose]())

const refusalsOf = (device: string) => stage.deps.db.select().from(refusals).where(eq(refusals.device, device))
const target = (id: string) => ({ fleet: 'default', id })
let key = 100
const nextKey = () => key++

describe('claims', () => {
  test('unknown, wrong secret and malformed are one answer, and nobody is named', async () => {
    const claim = await stage.claim({ device: 'c-1' })
    const { id, secret } = parseClaimToken(claim)
    const other = createHash('sha256').update('x').digest('base64url')
    const before = await stage.deps.db.$count(refusals)
    for (const wrong of [
      claim.replace(id, '0123456789abcdef'),
      claim.replace(secret, other),
      claim.slice(1),
      '',
      claim.toUpperCase(),
    ])
      expect(await refusalOf(stage.enrol(wrong))).toBe('claim-invalid')
    expect(await stage.deps.db.$count(refusals)).toBe(before)
  })

  test('expired', async () => {
    const claim = await stage.claim({ device: 'c-2', expiresIn: '1m' })
    stage.advance(60_000)
    expect(await refusalOf(stage.enrol(claim, nextKey()))).toBe('claim-expired')
    expect(await refusalsOf('c-2')).toMatchObject([{ code: 'claim-expired', alert: false, address: peer }])
  })

  test('withdrawn', async () => {
    const claim = await stage.claim({ device: 'c-3' })
    await withdrawClaim(stage.ctx, { fleet: 'default', id: parseClaimToken(claim).id })
    expect(await refusalOf(stage.enrol(claim, nextKey()))).toBe('claim-expired')
  })

  test('another key: an alert, counted in the log and the metrics', async () => {
    const claim = await stage.claim({ device: 'c-4', expiresIn: '1m' })
    await stage.enrol(claim, nextKey())
    stage.advance(120_000)
    for (const _ of [1, 2]) expect(await refusalOf(stage.enrol(claim, nextKey()))).toBe('claim-key-mismatch')
    expect(await refusalsOf('c-4')).toMatchObject([{ code: 'claim-key-mismatch', alert: true, count: 2 }])
    expect(stage.logged.join()).toContain('claim-key-mismatch')
    expect(await stage.deps.metrics.alerts.get()).toMatchObject({
      values: [{ labels: { code: 'claim-key-mismatch' }, value: 2 }],
    })
  })

  test('used up', async () => {
    const claim = await stage.claim({ uses: 2 })
    await stage.enrol(claim, nextKey(), { device: 'c-5' })
    await stage.enrol(claim, nextKey(), { device: 'c-6' })
    expect(await refusalOf(stage.enrol(claim, nextKey(), { device: 'c-7' }))).toBe('claim-exhausted')
  })

  test.each([
    ['192.0.2.0/24', undefined],
    ['198.51.100.0/24', 'claim-network'],
    ['2001:db8::/32', 'claim-network'],
  ])('from network %s only', async (network, code) => {
    const claim = await stage.claim({ device: `net-${nextKey()}`, networks: [network] })
    const enrolling = stage.enrol(claim, nextKey())
    if (code) expect(await refusalOf(enrolling)).toBe(code)
    else await enrolling
  })
})

describe('names', () => {
  test('none given where the claim leaves it open', async () => {
    expect(await refusalOf(stage.enrol(await stage.claim(), nextKey()))).toBe('device-name-missing')
    const claim = await stage.claim({ devices: ['n-1', 'n-2'] })
    expect(await refusalOf(stage.enrol(claim, nextKey()))).toBe('device-name-missing')
  })

  test('another than the claim has, also once bound', async () => {
    const claim = await stage.claim({ device: 'n-3' })
    const mine = nextKey()
    expect(await refusalOf(stage.enrol(claim, mine, { device: 'n-4' }))).toBe('device-name-mismatch')
    await stage.enrol(claim, mine)
    expect(await refusalOf(stage.enrol(claim, mine, { device: 'n-4' }))).toBe('device-name-mismatch')
    expect(await refusalsOf('n-3')).toMatchObject([{ code: 'device-name-mismatch', count: 2 }])
  })

  test('taken by another key, or by a service', async () => {
    const [mine, open] = [nextKey(), await stage.claim({ uses: 3 })]
    await stage.enrolled('n-5', mine)
    expect(await refusalOf(stage.enrol(await stage.claim({ device: 'n-5' }), nextKey()))).toBe('device-taken')
    expect(await refusalOf(stage.enrol(open, nextKey(), { device: 'n-5' }))).toBe('device-taken')
    expect(await refusalsOf('n-5')).toMatchObject([
      { code: 'device-taken', proven: true, count: 1 },
      { code: 'device-taken', proven: false, count: 1 },
    ])
    const service = await stage.claim({ device: 'n-5', profile: 'service' })
    expect(await refusalOf(stage.enrol(service, mine))).toBe('device-taken')
  })

  test('refusals of names that only the request gives are not kept', async () => {
    const claim = await stage.claim({ uses: 2, expiresIn: '1s' })
    stage.advance(1_000)
    expect(await refusalOf(stage.enrol(claim, nextKey(), { device: 'n-invented' }))).toBe('claim-expired')
    expect(await refusalsOf('n-invented')).toEqual([])
  })

  test('a name in another fleet is another device', async () => {
    await stage.enrolled('n-6', nextKey())
    const claim = await stage.claim({ fleet: 'other', device: 'n-6' })
    expect(await refusalOf(stage.enrol(claim, nextKey()))).toBe('not refused')
  })
})

describe('keys', () => {
  test('a key of another device, in any fleet: an alert', async () => {
    const mine = nextKey()
    await stage.enrolled('k-1', mine)
    for (const fleet of ['default', 'other']) {
      const claim = await stage.claim({ fleet, device: `k-2-${fleet}` })
      expect(await refusalOf(stage.enrol(claim, mine))).toBe('key-in-use')
      expect(await refusalsOf(`k-2-${fleet}`)).toMatchObject([{ code: 'key-in-use', alert: true }])
    }
  })

  test('a CSR that is none, and a key that is too weak', async () => {
    const claim = await stage.claim({ device: 'k-3' })
    expect(await refusalOf(stage.enrol(claim, 0, { csr: 'MAA=' }))).toBe('csr-invalid')
    const der = Buffer.from(await csrOf(nextKey()), 'base64')
    der[der.length - 3] = (der[der.length - 3] ?? 0) ^ 1
    expect(await refusalOf(stage.enrol(claim, 0, { csr: der.toString('base64') }))).toBe('csr-invalid')
    expect(await refusalsOf('k-3')).toMatchObject([{ code: 'csr-invalid', count: 2 }])
  })
})

describe('devices that are not active', () => {
  test('suspended and back, then revoked', async () => {
    const [claim, mine] = [await stage.claim({ device: 'd-1' }), nextKey()]
    await stage.enrol(claim, mine)
    await suspendDevice(stage.ctx, target('d-1'))
    expect(await refusalOf(stage.enrol(claim, mine))).toBe('device-suspended')
    await resumeDevice(stage.ctx, target('d-1'))
    expect(await refusalOf(stage.enrol(claim, mine))).toBe('not refused')
    await revokeDevice(stage.ctx, target('d-1'), 'keyCompromise')
    expect(await refusalOf(stage.enrol(claim, mine))).toBe('device-revoked')
    expect(await refusalOf(stage.enrol(await stage.claim({ device: 'd-1' }), mine))).toBe('device-revoked')
    expect(await refusalOf(stage.enrol(await stage.claim({ device: 'd-1' }), nextKey()))).toBe('device-taken')
  })

  test('rejected', async () => {
    const [claim, mine] = [await stage.claim({ device: 'd-2', approval: true }), nextKey()]
    await stage.enrol(claim, mine)
    await rejectDevice(stage.ctx, target('d-2'))
    expect(await refusalOf(stage.enrol(claim, mine))).toBe('device-rejected')
    expect(await refusalOf(stage.enrol(await stage.claim({ device: 'd-2' }), mine))).toBe('device-rejected')
  })

  test('retired: its old claim is worth nothing, and its old key gets nothing of its successor', async () => {
    const [claim, mine] = [await stage.claim({ device: 'd-3' }), nextKey()]
    await stage.enrol(claim, mine)
    await retireDevice(stage.ctx, target('d-3'))
    expect(await refusalOf(stage.enrol(claim, mine))).toBe('device-retired')
    await stage.enrolled('d-3', nextKey())
    expect(await refusalOf(stage.enrol(claim, mine))).toBe('device-taken')
  })

  test('with a certificate that has expired', async () => {
    const [claim, mine] = [await stage.claim({ device: 'd-4' }), nextKey()]
    await stage.enrol(claim, mine)
    stage.advance(90 * 86_400_000)
    expect(await refusalOf(stage.enrol(claim, mine))).toBe('certificate-expired')
  })
})

test('a refusal leaves nothing behind but its record', async () => {
  const claim = await stage.claim({ device: 'trace-1' })
  await refusalOf(stage.enrol(claim, 0, { csr: 'MAA=' }))
  expect(await stage.deps.db.select().from(devices).where(eq(devices.id, 'trace-1'))).toEqual([])
  expect(await stage.deps.db.select().from(certificates).where(eq(certificates.device, 'trace-1'))).toEqual([])
  expect(await stage.audited('trace-1')).toEqual([])
})
