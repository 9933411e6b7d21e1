import { certificates, fleets } from '@muster/db'
import { eq } from 'drizzle-orm'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { suspendDevice } from '../devices/suspend.ts'
import { openStage, readJson, type Stage } from '../testing/stage.ts'

const hourMs = 3_600_000
let stage: Stage
beforeAll(async () => {
  stage = await openStage()
  for (const [index, id] of ['l-1', 'l-2', 'l-3', 'l-4'].entries()) await stage.enrolled(id, index)
  const end = async (device: string, hours: number) =>
    stage.owner
      .update(certificates)
      .set({ notAfter: new Date(stage.deps.now().getTime() + hours * hourMs) })
      .where(eq(certificates.device, device))
  await end('l-1', 50)
  await end('l-2', 10)
  await end('l-3', 20)
  await stage.owner.update(certificates).set({ issuer: 'issuing-0' }).where(eq(certificates.device, 'l-3'))
})
afterAll(() => stage?.[Symbol.asyncDispose]())

const get = async (path: string) => readJson(await stage.call('GET', path))
const devicesOf = ({ items }: { items: { device: string }[] }) => items.map(({ device }) => device)

test('stragglers: by issuer, by state, by when they end, a page at a time', async () => {
  expect(devicesOf(await get('/v1/certificates'))).toEqual(['l-2', 'l-3', 'l-1', 'l-4'])
  expect(devicesOf(await get('/v1/certificates?issuer=issuing-0'))).toEqual(['l-3'])
  expect(devicesOf(await get('/v1/certificates?state=superseded'))).toEqual([])
  expect(devicesOf(await get('/v1/certificates?fleet=other'))).toEqual([])
  const soon = new Date(stage.deps.now().getTime() + 30 * hourMs).toISOString()
  expect(devicesOf(await get(`/v1/certificates?expiresBefore=${soon}`))).toEqual(['l-2', 'l-3'])
  const first = await get('/v1/certificates?limit=3')
  expect(devicesOf(await get(`/v1/certificates?limit=3&cursor=${first.next}`))).toEqual(['l-4'])
  expect((await stage.call('GET', '/v1/certificates?state=x')).status).toBe(400)
})

test('forecast: what ends when, and who is lost in an outage', async () => {
  const forecast = await get('/v1/certificates/forecast?hours=24')
  expect(forecast.expiring.map((row: { certificates: number }) => row.certificates)).toEqual([0, 2, 3, 3, 3, 4])
  expect(forecast.outage).toMatchObject({ hours: 24, devices: 2, first: [{ device: 'l-2' }, { device: 'l-3' }] })
  expect((await stage.call('GET', '/v1/certificates/forecast?hours=0')).status).toBe(400)
})

test('who has renewed, is out anyway, or may come late is not lost', async () => {
  const [one] = await stage.owner.select().from(certificates).where(eq(certificates.device, 'l-2'))
  if (!one) throw new Error('no certificate')
  const notAfter = new Date(stage.deps.now().getTime() + 500 * hourMs)
  const renewed = { serial: 'aa', fingerprint: 'aa', state: 'pending' as const, notAfter }
  await stage.owner.insert(certificates).values({ ...one, ...renewed })
  expect((await get('/v1/certificates/forecast?hours=24')).outage).toMatchObject({ devices: 1 })
  await suspendDevice(stage.ctx, { fleet: 'default', id: 'l-1' })
  expect((await get('/v1/certificates/forecast?hours=60')).outage.devices).toBe(1)
  await stage.owner.update(fleets).set({ lateRenewalDays: 7 }).where(eq(fleets.name, 'default'))
  expect((await get('/v1/certificates/forecast?hours=60')).outage.devices).toBe(0)
})
