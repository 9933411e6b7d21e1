import { createPublicKey, X509Certificate } from 'node:crypto'
import { certificates, refusals } from '@muster/db'
import { certificateFingerprint, issueCertificate } from '@muster/pki'
import { createTestCa, poolKey } from '@muster/pki/testing'
import { eq } from 'drizzle-orm'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { rejectDevice } from '../devices/reject.ts'
import { resumeDevice } from '../devices/resume.ts'
import { retireDevice } from '../devices/retire.ts'
import { revokeDevice } from '../devices/revoke.ts'
import { suspendDevice } from '../devices/suspend.ts'
import { updateFleet } from '../fleets/update.ts'
import { enrolHolder, renewHolder, serialOf, statesOf } from '../testing/holder.ts'
import { openStage, peer, refusalOf, type Stage } from '../testing/stage.ts'
import { confirmCertificate } from './confirm.ts'

const day = 86_400_000

let stage: Stage
let nextKey = 0
beforeAll(async () => {
  stage = await openStage()
})
afterEach(() => updateFleet(stage.ctx, 'default', { lateRenewalDays: 0 }))
afterAll(() => stage?.[Symbol.asyncDispose]())

const target = (id: string) => ({ fleet: 'default', id })
async function enrolled(id: string) {
  nextKey += 1
  return { id, key: nextKey, certificate: await enrolHolder(stage, id, nextKey) }
}

/** Renewing and asking for the window are refused alike. */
async function refusedWith(certificate: X509Certificate | undefined, key = 0): Promise<string> {
  const window = await refusalOf(confirmCertificate(stage.ctx, certificate, peer))
  const renewal = await refusalOf(renewHolder(stage, certificate, key))
  return window === renewal ? window : `${window} and ${renewal}`
}
const recorded = async (device: string) =>
  (await stage.owner.select().from(refusals).where(eq(refusals.device, device))).map(
    ({ code, alert, count, address }) => ({
      code,
      alert,
      count,
      address,
    }),
  )

async function issueUnrecorded(device: string, signer = stage.deps.issuers.active): Promise<X509Certificate> {
  const key = await poolKey('p256', 900)
  const spki = createPublicKey(key).export({ type: 'spki', format: 'der' })
  const now = stage.deps.now()
  const { der } = await issueCertificate(signer, {
    identity: { fleet: 'default', group: 'default', device, profile: 'device' },
    spki,
    trustDomain: stage.deps.settings.trustDomain,
    notBefore: now,
    notAfter: new Date(now.getTime() + day),
  })
  return new X509Certificate(der)
}

describe('rejects', () => {
  test('certificate-missing', async () => {
    expect(await refusedWith(undefined)).toBe('certificate-missing')
  })

  test('certificate-unknown: of another CA, and nobody is troubled', async () => {
    const { id } = await enrolled('foreign-1')
    const other = await createTestCa({ now: stage.deps.now() })
    expect(await refusedWith(await issueUnrecorded(id, other.issuer))).toBe('certificate-unknown')
    expect(await recorded(id)).toEqual([])
  })

  test('certificate-unknown: of our CA and not on record is an alert', async () => {
    const { id } = await enrolled('stolen-1')
    expect(await refusedWith(await issueUnrecorded(id))).toBe('certificate-unknown')
    expect(await recorded(id)).toEqual([{ code: 'certificate-unknown', alert: true, count: 2, address: peer }])
  })

  test('certificate-unknown: another certificate with a serial number that is on record', async () => {
    const { id, certificate } = await enrolled('serial-1')
    await stage.owner
      .update(certificates)
      .set({ fingerprint: certificateFingerprint(Buffer.from('another')) })
      .where(eq(certificates.serial, serialOf(certificate)))
    expect(await refusedWith(certificate)).toBe('certificate-unknown')
    expect((await recorded(id)).map(({ code }) => code)).toEqual(['certificate-unknown'])
  })

  test('certificate-superseded', async () => {
    const { id, key, certificate } = await enrolled('old-1')
    const next = await renewHolder(stage, certificate, key)
    await confirmCertificate(stage.ctx, next.certificate, peer)
    expect(await refusedWith(certificate, key)).toBe('certificate-superseded')
    expect(await recorded(id)).toMatchObject([{ code: 'certificate-superseded', count: 2 }])
  })

  test('device-suspended, until it is resumed', async () => {
    const { id, key, certificate } = await enrolled('pause-1')
    await suspendDevice(stage.ctx, target(id))
    expect(await refusedWith(certificate, key)).toBe('device-suspended')
    await resumeDevice(stage.ctx, target(id))
    expect((await renewHolder(stage, certificate, key)).result).toBe('issued')
  })

  test('device-revoked, with the renewed certificate too', async () => {
    const { id, key, certificate } = await enrolled('out-1')
    const next = await renewHolder(stage, certificate, key)
    await revokeDevice(stage.ctx, target(id), 'keyCompromise')
    expect(await refusedWith(certificate, key)).toBe('device-revoked')
    expect(await refusedWith(next.certificate, key)).toBe('device-revoked')
    expect(await statesOf(stage, id)).toEqual(['revoked', 'revoked'])
  })

  test('device-retired; certificate-revoked when its name has begun a new life', async () => {
    const { id, key, certificate } = await enrolled('gone-1')
    await retireDevice(stage.ctx, target(id))
    expect(await refusedWith(certificate, key)).toBe('device-retired')
    await enrolled(id)
    expect(await refusedWith(certificate, key)).toBe('certificate-revoked')
  })

  test('device-pending and device-rejected', async () => {
    const { id, key, certificate } = await enrolled('again-1')
    await retireDevice(stage.ctx, target(id))
    nextKey += 1
    expect(await stage.enrol(await stage.claim({ device: id, approval: true }), nextKey)).toEqual({ result: 'pending' })
    expect(await refusedWith(certificate, key)).toBe('device-pending')
    await rejectDevice(stage.ctx, target(id))
    expect(await refusedWith(certificate, key)).toBe('device-rejected')
  })

  test('csr-invalid and key-not-allowed', async () => {
    const { id, certificate } = await enrolled('csr-1')
    expect(await refusalOf(renewHolder(stage, certificate, 0, { csr: 'MAA=' }))).toBe('csr-invalid')
    expect(await statesOf(stage, id)).toEqual(['active'])
    expect((await recorded(id)).map(({ code }) => code)).toEqual(['csr-invalid'])
  })

  test('key-in-use: a key of another device is an alert; of a retired one it is free', async () => {
    const one = await enrolled('key-1')
    const other = await enrolled('key-2')
    expect(await refusalOf(renewHolder(stage, one.certificate, other.key))).toBe('key-in-use')
    expect(await recorded('key-1')).toMatchObject([{ code: 'key-in-use', alert: true }])
    expect(await recorded('key-2')).toEqual([])
    await retireDevice(stage.ctx, target('key-2'))
    expect((await renewHolder(stage, one.certificate, other.key)).result).toBe('issued')
  })

  test('key-in-use: a key that another device has renewed to and not used yet', async () => {
    const one = await enrolled('wait-1')
    const other = await enrolled('wait-2')
    nextKey += 1
    await renewHolder(stage, one.certificate, nextKey)
    expect(await refusalOf(renewHolder(stage, other.certificate, nextKey))).toBe('key-in-use')
    const claim = await stage.claim({ device: 'wait-3' })
    expect(await refusalOf(stage.enrol(claim, nextKey))).toBe('key-in-use')
  })

  test('rate-limited: a device in a loop', async () => {
    const { id, certificate } = await enrolled('loop-1')
    const codes: string[] = []
    for (let round = 0; round < 30; round++)
      codes.push(await refusalOf(renewHolder(stage, certificate, 901 + (round % 2))))
    expect(new Set(codes.slice(0, 29))).toEqual(new Set(['not refused']))
    expect(codes.at(-1)).toBe('rate-limited')
    expect((await renewHolder(stage, certificate, 901)).result).toBe('repeated')
    stage.advance(61_000)
    expect((await renewHolder(stage, certificate, 902)).result).toBe('issued')
    expect(await recorded(id)).toEqual([])
  })
})

describe('late', () => {
  test('without late days an expired certificate is the end', async () => {
    const { id, key, certificate } = await enrolled('late-1')
    stage.advance(90 * day)
    expect(await refusedWith(certificate, key)).toBe('certificate-expired')
    expect(await recorded(id)).toMatchObject([{ code: 'certificate-expired', count: 2 }])
  })

  test('within them it renews, and then no longer', async () => {
    const { key, certificate } = await enrolled('late-2')
    const other = await enrolled('late-3')
    await updateFleet(stage.ctx, 'default', { lateRenewalDays: 7 })
    stage.advance(97 * day - 1)
    const { certificate: next } = await renewHolder(stage, certificate, key)
    expect(next.validToDate.getTime()).toBeGreaterThan(stage.deps.now().getTime())
    stage.advance(1)
    expect(await refusedWith(other.certificate, other.key)).toBe('certificate-expired')
    await confirmCertificate(stage.ctx, next, peer)
    expect(await statesOf(stage, 'late-2')).toEqual(['superseded', 'active'])
  })

  test('a revoked one does not', async () => {
    const { id, key, certificate } = await enrolled('late-4')
    await updateFleet(stage.ctx, 'default', { lateRenewalDays: 30 })
    stage.advance(91 * day)
    await revokeDevice(stage.ctx, target(id), 'keyCompromise')
    expect(await refusedWith(certificate, key)).toBe('device-revoked')
  })

  test('a certificate that is not valid yet never passes', async () => {
    await updateFleet(stage.ctx, 'default', { lateRenewalDays: 3_650 })
    const { key, certificate } = await enrolled('early-1')
    stage.advance(-10 * 60_000)
    expect(await refusedWith(certificate, key)).toBe('certificate-not-yet-valid')
    stage.advance(10 * 60_000)
  })
})
