import { X509Certificate } from 'node:crypto'
import { certificates, refusals } from '@muster/db'
import { and, eq } from 'drizzle-orm'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { revokeDevice } from '../devices/revoke.ts'
import { deviceRow, enrolHolder, renewHolder, serialOf, statesOf } from '../testing/holder.ts'
import { openStage, peer, refusalOf, type Stage } from '../testing/stage.ts'
import { confirmCertificate } from './confirm.ts'

let stage: Stage
beforeAll(async () => {
  stage = await openStage()
})
afterAll(() => stage?.[Symbol.asyncDispose]())

const ten = Array.from({ length: 10 }, (_, index) => index)
const tally = (items: readonly string[]) =>
  Object.fromEntries([...Map.groupBy(items, (item) => item)].map(([item, all]) => [item, all.length]))

test('ten renewals with one key: one certificate, ten times', async () => {
  const first = await enrolHolder(stage, 'same-1', 1)
  const all = await Promise.all(ten.map(() => renewHolder(stage, first, 2)))
  expect(tally(all.map(({ result }) => result))).toEqual({ issued: 1, repeated: 9 })
  expect(new Set(all.map(({ certificate }) => serialOf(certificate))).size).toBe(1)
  expect(await statesOf(stage, 'same-1')).toEqual(['active', 'pending'])
})

test('ten renewals with ten keys: one waits in the end, and the one in use is untouched', async () => {
  const first = await enrolHolder(stage, 'many-1', 10)
  await Promise.all(ten.map((key) => renewHolder(stage, first, 11 + key)))
  expect(tally(await statesOf(stage, 'many-1'))).toEqual({ active: 1, superseded: 9, pending: 1 })
  expect((await renewHolder(stage, first, 30)).result).toBe('issued')
})

test('two devices that renew to one key at once: one gets it', async () => {
  const one = await enrolHolder(stage, 'clone-1', 40)
  const other = await enrolHolder(stage, 'clone-2', 41)
  const codes = await Promise.all([one, other].map((certificate) => refusalOf(renewHolder(stage, certificate, 42))))
  expect(tally(codes)).toEqual({ 'not refused': 1, 'key-in-use': 1 })
})

test('using the renewed certificate and renewing with the old one at once: no state but the two it can end in', async () => {
  for (const round of ten) {
    const id = `use-${round}`
    const first = await enrolHolder(stage, id, 50 + round)
    const next = await renewHolder(stage, first, 70 + round)
    const [used, renewed] = await Promise.all([
      refusalOf(confirmCertificate(stage.ctx, next.certificate, peer)),
      refusalOf(renewHolder(stage, first, 90 + round)),
    ])
    const states = (await statesOf(stage, id)).sort()
    // Either the use came first and the old certificate is out, or the renewal came first and what was to be used is replaced.
    if (renewed === 'certificate-superseded') expect([used, states]).toEqual(['not refused', ['active', 'superseded']])
    else expect([used, states]).toEqual(['certificate-superseded', ['active', 'pending', 'superseded']])
  }
})

test('renewals, a first use and a revocation at once: the revocation wins', async () => {
  for (const round of ten) {
    const id = `race-${round}`
    const first = await enrolHolder(stage, id, 120 + round)
    const next = await renewHolder(stage, first, 140 + round)
    await Promise.all([
      refusalOf(renewHolder(stage, first, 160 + round)),
      refusalOf(confirmCertificate(stage.ctx, next.certificate, peer)),
      revokeDevice(stage.ctx, { fleet: 'default', id }, 'keyCompromise'),
      refusalOf(renewHolder(stage, next.certificate, 180 + round)),
    ])
    expect(new Set(await statesOf(stage, id))).toEqual(new Set(['revoked']))
    for (const certificate of [first, next.certificate])
      expect(await refusalOf(renewHolder(stage, certificate, 140 + round))).toBe('device-revoked')
    expect((await deviceRow(stage, id)).state).toBe('revoked')
  }
})

test('enrolment and renewal that meet at one key leave it with one device', async () => {
  for (const round of ten) {
    const key = 220 + round
    const first = await enrolHolder(stage, `meet-${round}`, 200 + round)
    const claim = await stage.claim({ device: `guest-${round}` })
    const [renewed] = await Promise.all([refusalOf(renewHolder(stage, first, key)), refusalOf(stage.enrol(claim, key))])
    if (renewed !== 'not refused') continue
    const [waiting] = await stage.owner
      .select()
      .from(certificates)
      .where(and(eq(certificates.device, `meet-${round}`), eq(certificates.state, 'pending')))
    if (!waiting) throw new Error('nothing waits')
    await refusalOf(confirmCertificate(stage.ctx, new X509Certificate(waiting.der), peer))
    const { rows } = await stage.owner.$client.query(
      'select count(*)::int as n from devices where key_fingerprint = $1',
      [waiting.keyFingerprint],
    )
    expect(rows).toEqual([{ n: 1 }])
  }
})

test('what was refused in a race is on record against the device', async () => {
  const rows = await stage.owner.select().from(refusals).where(eq(refusals.device, 'race-0'))
  expect(rows.some(({ code }) => code === 'device-revoked')).toBe(true)
})
