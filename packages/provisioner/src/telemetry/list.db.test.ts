import { FleetTelemetryMessage, pageOf } from '@muster/contracts'
import { telemetry } from '@muster/db'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { openStage, type Stage } from '../testing/stage.ts'

let stage: Stage
beforeAll(async () => {
  stage = await openStage()
  const claim = await stage.claim({ uses: 4 })
  for (const [index, device] of ['sim-a-1', 'sim-a-2', 'sim-b-1', 'sima'].entries())
    await stage.enrol(claim, index, { device })
  await stage.enrol(await stage.claim({ fleet: 'other', device: 'sim-a-1' }), 4)
  for (const text of ['1', '2', '3'])
    for (const device of ['sima', 'sim-b-1', 'sim-a-2', 'sim-a-1']) await store('default', device, text)
  await store('other', 'sim-a-1', 'elsewhere')
})
afterAll(() => stage?.[Symbol.asyncDispose]())

const store = (fleet: string, device: string, text: string) =>
  stage.owner.insert(telemetry).values({
    ...{ fleet, device, topic: 't', payload: Buffer.from(text), qos: 1, duplicate: text === '3' },
    receivedAt: stage.deps.now(),
  })

async function read(query: string) {
  const all: string[] = []
  let cursor = ''
  do {
    const answer = await stage.call('GET', `/v1/telemetry?limit=2&${query}${cursor}`)
    if (answer.status !== 200) return answer.status
    const { items, next } = pageOf(FleetTelemetryMessage).parse(await answer.json())
    expect(items.length).toBeLessThanOrEqual(2)
    all.push(...items.map(({ device, payload, duplicate }) => `${device} ${payload}${duplicate ? '?' : ''}`))
    cursor = next === null ? '' : `&cursor=${next}`
  } while (cursor !== '')
  return all
}
const of = (...devices: string[]) => devices.flatMap((device) => ['1', '2', '3?'].map((n) => `${device} ${n}`))

test.each([
  ['', of('sim-a-1', 'sim-a-2', 'sim-b-1', 'sima')],
  ['prefix=sim-', of('sim-a-1', 'sim-a-2', 'sim-b-1')],
  ['prefix=sim-a', of('sim-a-1', 'sim-a-2')],
  ['prefix=sim-b-1', of('sim-b-1')],
  ['prefix=tim', []],
  ['fleet=other', ['sim-a-1 elsewhere']],
  ['fleet=nowhere', 404],
  ['cursor=nonsense', 400],
  ['prefix=Not%20a%20name', 400],
])('?%s', async (query, expected) => {
  expect(await read(query)).toEqual(expected)
})

test('devices by the beginning of their names', async () => {
  const answer = await stage.call('GET', '/v1/devices?prefix=sim-a')
  const { items } = (await answer.json()) as { items: { id: string }[] }
  expect(items.map(({ id }) => id)).toEqual(['sim-a-1', 'sim-a-2'])
})

test('for operators only', async () => {
  const answer = await stage.call('GET', '/v1/telemetry', undefined, { authorization: 'Bearer nobody' })
  expect(answer.status).toBe(401)
})
