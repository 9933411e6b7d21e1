import { devices, recordRefusal, telemetry } from '@muster/db'
import { eq } from 'drizzle-orm'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { listRefusalsOfDevice } from '../refusals/list-of-device.ts'
import { openStage, refusalOf, type Stage } from '../testing/stage.ts'
import { findDevice } from './find.ts'
import { listDevices } from './list.ts'
import { listCertificates } from './list-certificates.ts'
import { listTelemetry } from './list-telemetry.ts'
import { suspendDevice } from './suspend.ts'

let stage: Stage
beforeAll(async () => {
  stage = await openStage()
  const claim = await stage.claim({ uses: 4, group: 'line-1' })
  for (const [index, device] of ['a', 'b', 'c', 'd'].entries()) await stage.enrol(claim, index, { device })
  await stage.enrolled('e', 9)
  await stage.enrol(await stage.claim({ fleet: 'other', device: 'a' }), 10)
  await suspendDevice(stage.ctx, { fleet: 'default', id: 'b' })
})
afterAll(() => stage?.[Symbol.asyncDispose]())

type Page<Item> = { items: Item[]; next: string | null }
async function everything<Item>(list: (page: { limit: number; cursor?: string | undefined }) => Promise<Page<Item>>) {
  const all: Item[] = []
  let cursor: string | undefined
  do {
    const page: Page<Item> = await list({ limit: 2, cursor })
    expect(page.items.length).toBeLessThanOrEqual(2)
    all.push(...page.items)
    cursor = page.next ?? undefined
  } while (cursor)
  return all
}
const target = (id: string, fleet = 'default') => ({ fleet, id })

test('devices, filtered and page by page', async () => {
  const ids = async (query: object) =>
    (await everything((page) => listDevices(stage.deps, { fleet: 'default', ...query, ...page }))).map(({ id }) => id)
  expect(await ids({})).toEqual(['a', 'b', 'c', 'd', 'e'])
  expect(await ids({ group: 'line-1' })).toEqual(['a', 'b', 'c', 'd'])
  expect(await ids({ state: 'suspended' })).toEqual(['b'])
  expect(await ids({ state: 'active', group: 'line-1' })).toEqual(['a', 'c', 'd'])
  expect(await ids({ fleet: 'other' })).toEqual(['a'])
  expect(await refusalOf(listDevices(stage.deps, { fleet: 'nowhere', limit: 1 }))).toBe('fleet-not-found')
})

test('a device says whether it is connected', async () => {
  expect(await findDevice(stage.deps, target('a'))).toMatchObject({ connected: false, node: null })
  await stage.deps.db
    .update(devices)
    .set({ node: 'broker-1', connectedAt: stage.deps.now() })
    .where(eq(devices.id, 'c'))
  expect(await findDevice(stage.deps, target('c'))).toMatchObject({
    connected: true,
    node: 'broker-1',
    connectedAt: stage.deps.now().toISOString(),
  })
  expect(await refusalOf(findDevice(stage.deps, target('e', 'other')))).toBe('device-not-found')
})

test('telemetry is the newest first; what is not text is base64', async () => {
  const payloads = ['{"t":21.5}', Buffer.from([0xff, 0x00]), '', 'grüß', 'last']
  for (const payload of payloads)
    await stage.owner.insert(telemetry).values({
      fleet: 'default',
      device: 'a',
      topic: 'fleets/default/devices/a/telemetry',
      payload: Buffer.from(payload),
      qos: 1,
      receivedAt: stage.deps.now(),
    })
  const all = await everything((page) => listTelemetry(stage.deps, target('a'), page))
  expect(all.map(({ payload, encoding }) => `${encoding}:${payload}`)).toEqual([
    'utf8:last',
    'utf8:grüß',
    'utf8:',
    'base64:/wA=',
    'utf8:{"t":21.5}',
  ])
  expect(await everything((page) => listTelemetry(stage.deps, target('a', 'other'), page))).toEqual([])
  expect(await refusalOf(listTelemetry(stage.deps, target('nobody'), { limit: 1 }))).toBe('device-not-found')
})

test('refusals are the newest first, also of a device that never got in', async () => {
  for (const [index, code] of (['claim-expired', 'device-taken', 'csr-invalid'] as const).entries())
    await recordRefusal(stage.deps.db, {
      ...{ fleet: 'default', device: 'never-in', code, address: '192.0.2.9', detail: 'x' },
      at: new Date(stage.deps.now().getTime() + index),
    })
  const all = await everything((page) => listRefusalsOfDevice(stage.deps, target('never-in'), page))
  expect(all.map(({ code }) => code)).toEqual(['csr-invalid', 'device-taken', 'claim-expired'])
  expect(all[0]).toMatchObject({
    fleet: 'default',
    proven: false,
    advice: { operator: 'Have its software corrected.' },
  })
  expect(await listRefusalsOfDevice(stage.deps, target('a'), { limit: 1 })).toEqual({ items: [], next: null })
  expect(await refusalOf(listRefusalsOfDevice(stage.deps, target('never-in', 'other'), { limit: 1 }))).toBe(
    'device-not-found',
  )
})

test('certificates', async () => {
  stage.advance(91 * 86_400_000)
  await stage.enrolled('e', 9)
  const all = await everything((page) => listCertificates(stage.deps, target('e'), page))
  expect(all.map(({ state }) => state)).toEqual(['active', 'superseded'])
  expect(await refusalOf(listCertificates(stage.deps, target('nobody'), { limit: 1 }))).toBe('device-not-found')
})
