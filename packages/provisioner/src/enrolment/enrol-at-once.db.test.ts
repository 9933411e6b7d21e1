import { certificates, claimKeys, claims, devices } from '@muster/db'
import { eq } from 'drizzle-orm'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { revokeDevice } from '../devices/revoke.ts'
import { openStage, refusalOf, type Stage } from '../testing/stage.ts'

let stage: Stage
beforeAll(async () => {
  stage = await openStage()
})
afterAll(() => stage?.[Symbol.asyncDispose]())

const fifty = Array.from({ length: 50 }, (_, index) => index)
const count = <T>(items: readonly T[]) =>
  Object.fromEntries([...Map.groupBy(items, (item) => item)].map(([item, all]) => [item, all.length]))
const certificatesOf = (device: string) =>
  stage.deps.db.select().from(certificates).where(eq(certificates.device, device))

test('fifty keys on one single-use claim: one certificate, and the others are told why', async () => {
  const claim = await stage.claim({ device: 'once-1' })
  const codes = await Promise.all(fifty.map((key) => refusalOf(stage.enrol(claim, key))))
  expect(count(codes)).toEqual({ 'not refused': 1, 'claim-key-mismatch': 49 })
  expect(await certificatesOf('once-1')).toHaveLength(1)
})

test('one key fifty times on one claim: one certificate, fifty times', async () => {
  const claim = await stage.claim({ device: 'same-1' })
  const results = await Promise.all(fifty.map(() => stage.enrol(claim, 60)))
  expect(count(results.map(({ result }) => result))).toEqual({ issued: 1, repeated: 49 })
  const pems = results.map((found) => (found.result === 'pending' ? '' : found.enrolment.certificate))
  expect(new Set(pems).size).toBe(1)
  expect(await certificatesOf('same-1')).toHaveLength(1)
})

test('fifty keys on a claim for thirty: thirty', async () => {
  const claim = await stage.claim({ uses: 30 })
  const codes = await Promise.all(
    fifty.map((key) => refusalOf(stage.enrol(claim, 100 + key, { device: `thirty-${key}` }))),
  )
  expect(count(codes)).toEqual({ 'not refused': 30, 'claim-exhausted': 20 })
  const id = claim.split('.')[1] ?? ''
  expect(await stage.deps.db.select().from(claims).where(eq(claims.id, id))).toMatchObject([{ used: 30 }])
  expect(await stage.deps.db.$count(claimKeys, eq(claimKeys.claim, id))).toBe(30)
})

test('ten claims and keys for one name: one device', async () => {
  const all = await Promise.all(fifty.slice(0, 10).map(() => stage.claim({ device: 'name-1' })))
  const codes = await Promise.all(all.map((claim, index) => refusalOf(stage.enrol(claim, 200 + index))))
  expect(count(codes)).toEqual({ 'not refused': 1, 'device-taken': 9 })
  expect(await certificatesOf('name-1')).toHaveLength(1)
})

test('ten claims for ten names with one key: one device', async () => {
  const all = await Promise.all(fifty.slice(0, 10).map((index) => stage.claim({ device: `clone-${index}` })))
  const codes = await Promise.all(all.map((claim) => refusalOf(stage.enrol(claim, 220))))
  expect(count(codes)).toEqual({ 'not refused': 1, 'key-in-use': 9 })
})

test('ten claims for one name with one key: one certificate for all', async () => {
  const all = await Promise.all(fifty.slice(0, 10).map(() => stage.claim({ device: 'both-1' })))
  const results = await Promise.all(all.map((claim) => stage.enrol(claim, 230)))
  expect(count(results.map(({ result }) => result))).toEqual({ issued: 1, repeated: 9 })
  expect(await certificatesOf('both-1')).toHaveLength(1)
})

test('revoked while it enrols: never an active certificate of a revoked device', async () => {
  for (const round of fifty.slice(0, 10)) {
    const id = `meet-${round}`
    const claim = await stage.claim({ device: id })
    await stage.enrol(claim, 240 + round)
    await Promise.all([
      refusalOf(stage.enrol(claim, 240 + round)),
      refusalOf(stage.enrol(await stage.claim({ device: id }), 240 + round)),
      revokeDevice(stage.ctx, { fleet: 'default', id }, 'unspecified'),
    ])
    expect(await stage.deps.db.select().from(devices).where(eq(devices.id, id))).toMatchObject([{ state: 'revoked' }])
    expect(new Set((await certificatesOf(id)).map(({ state }) => state))).toEqual(new Set(['revoked']))
  }
})
