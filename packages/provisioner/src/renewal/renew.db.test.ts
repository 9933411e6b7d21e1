import { X509Certificate } from 'node:crypto'
import { poolKey } from '@muster/pki/testing'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { deviceRow, enrolHolder, listenAs, renewHolder, serialOf, statesOf } from '../testing/holder.ts'
import { csrOf, openStage, peer, readJson, type Stage } from '../testing/stage.ts'
import { confirmCertificate } from './confirm.ts'

const day = 86_400_000

let stage: Stage
beforeAll(async () => {
  stage = await openStage()
})
afterAll(() => stage?.[Symbol.asyncDispose]())

const confirm = (certificate: X509Certificate) => confirmCertificate(stage.ctx, certificate, peer)

describe('works', () => {
  test('the same key: the next certificate waits, and the one in use stays good', async () => {
    const first = await enrolHolder(stage, 'same-1', 1)
    stage.advance(day)
    const { result, certificate, enrolment } = await renewHolder(stage, first, 1)
    expect(result).toBe('issued')
    expect(enrolment.device).toEqual({ id: 'same-1', group: 'default', fleet: 'default' })
    expect(certificate.subject).toBe(first.subject)
    expect(certificate.subjectAltName).toBe(first.subjectAltName)
    expect(certificate.verify(stage.deps.issuers.active.certificate.publicKey)).toBe(true)
    expect(certificate.validToDate.getTime() - first.validToDate.getTime()).toBe(day)
    expect(await statesOf(stage, 'same-1')).toEqual(['active', 'pending'])
    expect(await stage.audited('same-1')).toMatchObject([
      { action: 'device.enrol' },
      {
        actor: 'device:same-1',
        action: 'certificate.renew',
        detail: { serial: serialOf(certificate), replaces: serialOf(first), via: 'https' },
      },
    ])
  })

  test('another key is the device’s own from the first use on', async () => {
    const first = await enrolHolder(stage, 'new-key-1', 2)
    const { certificate } = await renewHolder(stage, first, 3)
    expect(certificate.checkPrivateKey(await poolKey('p256', 3))).toBe(true)
    const before = await deviceRow(stage, 'new-key-1')
    await using brokers = await listenAs(stage, 'muster_promotions')
    await confirm(certificate)
    await vi.waitFor(() => expect(brokers.heard).toEqual(['default/new-key-1']))
    const after = await deviceRow(stage, 'new-key-1')
    expect(after.keyFingerprint).not.toBe(before.keyFingerprint)
    expect((await statesOf(stage, 'new-key-1')).sort()).toEqual(['active', 'superseded'])
    expect((await stage.audited('new-key-1')).at(-1)).toMatchObject({
      actor: 'device:new-key-1',
      action: 'certificate.promote',
      detail: { serial: serialOf(certificate), keyFingerprint: after.keyFingerprint },
    })
  })

  test('the answer was lost: the same certificate again, however often', async () => {
    const first = await enrolHolder(stage, 'lost-1', 4)
    const { certificate } = await renewHolder(stage, first, 5)
    for (let round = 0; round < 3; round++) {
      stage.advance(60_000)
      const again = await renewHolder(stage, first, 5)
      expect(again.result).toBe('repeated')
      expect(again.certificate.raw).toEqual(certificate.raw)
    }
    expect(await stage.audited('lost-1')).toHaveLength(2)
  })

  test('the answer and the key were lost: the former is replaced, the one in use stays', async () => {
    const first = await enrolHolder(stage, 'lost-2', 6)
    await renewHolder(stage, first, 7)
    stage.advance(1_000)
    await renewHolder(stage, first, 8)
    expect(await statesOf(stage, 'lost-2')).toEqual(['active', 'superseded', 'pending'])
  })

  test('the answer was lost until the certificate in use had ended: the claim leads to the one that waits', async () => {
    const claim = await stage.claim({ device: 'lost-3' })
    const first = await stage.enrol(claim, 60)
    if (first.result === 'pending') throw new Error('pending')
    stage.advance(60 * day)
    const { certificate } = await renewHolder(stage, new X509Certificate(first.enrolment.certificate), 60)
    const before = await stage.enrol(claim, 60)
    expect(before).toMatchObject({ result: 'repeated', enrolment: { certificate: first.enrolment.certificate } })
    stage.advance(31 * day)
    const after = await stage.enrol(claim, 60)
    if (after.result === 'pending') throw new Error('pending')
    expect(new X509Certificate(after.enrolment.certificate).raw).toEqual(certificate.raw)
  })

  test('renewing with the renewed certificate is using it', async () => {
    const first = await enrolHolder(stage, 'twice-1', 9)
    stage.advance(1_000)
    const second = await renewHolder(stage, first, 9)
    stage.advance(1_000)
    const third = await renewHolder(stage, second.certificate, 9)
    expect(third.result).toBe('issued')
    expect(await statesOf(stage, 'twice-1')).toEqual(['superseded', 'active', 'pending'])
    const actions = (await stage.audited('twice-1')).map(({ action }) => action)
    expect(actions).toEqual(['device.enrol', 'certificate.renew', 'certificate.promote', 'certificate.renew'])
  })

  test('a pending certificate that has expired unused is not given out again', async () => {
    const first = await enrolHolder(stage, 'stale-1', 10)
    await stage.owner.$client.query(`update fleets set late_renewal_days = 365 where name = 'default'`)
    const second = await renewHolder(stage, first, 10)
    stage.advance(100 * day)
    const third = await renewHolder(stage, first, 10)
    expect(third.result).toBe('issued')
    expect(third.certificate.raw).not.toEqual(second.certificate.raw)
    await stage.owner.$client.query(`update fleets set late_renewal_days = 0 where name = 'default'`)
  })

  test.each([
    ['service', 'default'],
    ['server', 'muster'],
  ] as const)('profile %s', async (profile, fleet) => {
    const first = await enrolHolder(stage, `p-${profile}`, profile === 'server' ? 11 : 12, { profile, fleet })
    const { certificate, enrolment } = await renewHolder(stage, first, profile === 'server' ? 13 : 14)
    expect(enrolment.device.fleet).toBe(fleet)
    expect(certificate.subjectAltName).toBe(first.subjectAltName)
    const { window } = await confirm(certificate)
    expect(window.start).toBe(enrolment.renewAfter)
    expect((await statesOf(stage, `p-${profile}`)).sort()).toEqual(['active', 'superseded'])
  })

  test.each([
    ['1970-01-01T00:00:05.000Z', -1_767_000_000],
    ['2040-01-01T00:00:00.000Z', 400_000_000],
    ['9999-12-31T23:59:59Z', 2 ** 31 - 1],
    ['0000-01-01T00:00:00Z', -(2 ** 31 - 1)],
  ])('a device that believes it is %s is renewed, and its clock is on record', async (deviceTime, near) => {
    const id = `clock-${deviceTime.slice(0, 4)}`
    const first = await enrolHolder(stage, id, 20 + Number(deviceTime[0]) * 3 + Number(deviceTime[3]))
    const roots = ['ab'.repeat(32)]
    const { enrolment } = await renewHolder(stage, first, 15 + Number(deviceTime[0]), { deviceTime, roots })
    expect(enrolment.serverTime).toBe(stage.deps.now().toISOString())
    const { clockSkewSeconds, roots: known } = await deviceRow(stage, id)
    expect(Math.abs((clockSkewSeconds ?? 0) - near)).toBeLessThan(60_000_000)
    expect(known).toEqual(roots)
  })
})

describe('over HTTP', () => {
  test('POST /v1/renew and GET /v1/renewal', async () => {
    const first = await enrolHolder(stage, 'http-1', 40)
    const body = { csr: await csrOf(40), deviceTime: '2026-03-01T12:00:00Z', roots: [] }
    const response = await stage.callWith(first, 'POST', '/v1/renew', body)
    expect(response.status).toBe(201)
    expect(response.headers.get('cache-control')).toBe('no-store')
    const { certificate } = await readJson(response)
    const asked = await stage.callWith(new X509Certificate(certificate), 'GET', '/v1/renewal')
    expect(asked.status).toBe(200)
    const { window, serverTime } = await readJson(asked)
    expect(serverTime).toBe(stage.deps.now().toISOString())
    expect(new Date(window.end).getTime()).toBeGreaterThan(new Date(window.start).getTime())
  })

  test('refusals are problems', async () => {
    const missing = await stage.callWith(undefined, 'POST', '/v1/renew', { csr: await csrOf(41) })
    expect([missing.status, (await readJson(missing)).type]).toEqual([401, 'urn:muster:error:certificate-missing'])
    const malformed = await stage.callWith(undefined, 'POST', '/v1/renew', { csr: 1 })
    expect(malformed.status).toBe(400)
  })
})
