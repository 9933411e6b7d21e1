import { expect, test } from 'vitest'
import { openDb } from './open.ts'
import { recordRefusal } from './refusals.ts'
import { refusals } from './schema/refusals.ts'
import { openTestDb } from './testing.ts'

const first = new Date('2026-01-01T00:00:00Z')
const refusal = { fleet: 'f', device: 'd', code: 'certificate-unknown', address: '192.0.2.1', detail: 'one' } as const

test.each(['muster_provisioner', 'muster_broker'] as const)('%s counts equal refusals in one row', async (role) => {
  await using test = await openTestDb()
  await using db = await openDb({ url: test.as(role), role })
  await recordRefusal(db, { ...refusal, at: first })
  const later = Array.from({ length: 20 }, (_, index) => new Date(first.getTime() + 1000 * (index + 1)))
  await Promise.all(later.map((at) => recordRefusal(db, { ...refusal, detail: 'two', at })))
  const rows = await test.db.select().from(refusals)
  expect(rows).toMatchObject([{ ...refusal, detail: 'two', count: 21, alert: false, firstAt: first }])
})

test('other codes, addresses and devices have rows of their own', async () => {
  await using test = await openTestDb()
  for (const other of [{}, { code: 'certificate-revoked' }, { address: '192.0.2.2' }, { device: 'e' }] as const)
    await recordRefusal(test.db, { ...refusal, ...other, at: first })
  expect(await test.db.$count(refusals)).toBe(4)
})

test('an alert stays raised', async () => {
  await using test = await openTestDb()
  for (const alert of [false, true, false]) await recordRefusal(test.db, { ...refusal, alert, at: first })
  expect(await test.db.select().from(refusals)).toMatchObject([{ alert: true, count: 3 }])
})
