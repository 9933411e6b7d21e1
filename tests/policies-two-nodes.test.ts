import type { MqttClient } from 'mqtt'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type EnrolledDevice, type Stack, startStack } from './harness/stack.ts'
import { nextEvent, waitFor } from './harness/wait.ts'

let stack: Stack
let devices: EnrolledDevice[]
let port: number
let clients: MqttClient[]
const ids = ['p-1', 'p-2']

beforeAll(async () => {
  stack = await startStack()
  port = (await stack.addBroker('broker-2')).mqtt
  await save(document('pair', ['commands', 'firmware']))
  devices = []
  for (const id of ids) devices.push(await stack.enrolDevice(id, { group: 'north' }))
  clients = []
  await attachToNorth('pair')
})
afterAll(async () => {
  for (const client of clients ?? []) await client.endAsync(true)
  await stack?.[Symbol.asyncDispose]()
})

const document = (name: string, tails: string[]) => ({
  name,
  allow: [{ subscribe: tails.map((tail) => `fleets/\${fleet}/groups/\${group}/${tail}/#`) }],
})
const filter = (tail: string, group = 'north') => `fleets/default/groups/${group}/${tail}/#`
const save = async (body: ReturnType<typeof document>) => {
  const answer = await stack.api(`/v1/policies/${body.name}?fleet=default`, { method: 'PUT', body })
  expect(answer.status, answer.text).toBe(200)
  return answer.json as { change: string }
}
const preview = async (body: Record<string, unknown>) => (await stack.api('/v1/previews', { body })).json

/** The first at one node, the second at the other. */
async function reconnect() {
  for (const client of clients) await client.endAsync(true)
  clients = [await (devices[0] as EnrolledDevice).connect(), await (devices[1] as EnrolledDevice).connect({ port })]
  return clients
}

async function connectBoth(...tails: string[]) {
  await reconnect()
  for (const client of clients)
    await client.subscribeAsync(
      tails.map((tail) => filter(tail)),
      { qos: 1 },
    )
  return clients.map((client) => nextEvent(client, 'disconnect'))
}

/** By node, once both have acted. */
async function receiptsOf(change: string) {
  let nodes: Record<string, unknown>[] = []
  await waitFor(`both receipts of ${change}`, async () => {
    const report = (await stack.api(`/v1/changes/${change}`)).json
    nodes = report.nodes
    return report.complete && nodes.length === 2
  })
  return nodes.sort((a, b) => String(a.node).localeCompare(String(b.node)))
}
const attachToNorth = async (policy: string) =>
  receiptsOf((await stack.api('/v1/groups/north', { method: 'PATCH', body: { policy } })).json.change)

const cut = { sessionsChanged: 1, subscriptionsCut: 1, connectionsClosed: 1 }
const untouched = { sessionsChanged: 0, subscriptionsCut: 0, connectionsClosed: 0 }
const of = (first: object, second: object) => [
  { node: 'broker-1', ...first },
  { node: 'broker-2', ...second },
]

test('a preview counts both nodes, and a saved policy cuts on both what it said', async () => {
  const told = await connectBoth('commands', 'firmware')
  const narrower = document('pair', ['commands'])
  const expected = await preview({ save: narrower })
  expect(expected).toMatchObject({ sessions: 2, devices: 2, subscriptions: 2, missing: [] })
  expect(expected.first.map(({ device }: { device: string }) => device).sort()).toEqual(ids)
  const { change } = await save(narrower)
  expect(await receiptsOf(change)).toMatchObject(of(cut, cut))
  expect(await Promise.all(told)).toMatchObject([{ reasonCode: 0x87 }, { reasonCode: 0x87 }])
  const [, other] = await reconnect()
  await expect(other?.subscribeAsync(filter('firmware'), { qos: 1 })).rejects.toThrow('Not authorized')
})

test('a policy of their group is in force on both nodes before its receipts', async () => {
  await save(document('of-group', ['firmware']))
  const told = await connectBoth('commands')
  const request = { attach: { group: 'north', policy: 'of-group' } }
  expect(await preview(request)).toMatchObject({ sessions: 2, devices: 2, subscriptions: 2, missing: [] })
  expect(await attachToNorth('of-group')).toMatchObject(of(cut, cut))
  expect(await Promise.all(told)).toMatchObject([{ reasonCode: 0x87 }, { reasonCode: 0x87 }])
})

test('a device that is moved is cut on the node where it is; both nodes have acted', async () => {
  const told = await connectBoth('firmware')
  const expected = await preview({ move: { device: 'p-2', group: 'south' } })
  expect(expected).toMatchObject({ sessions: 1, devices: 1, subscriptions: 1, missing: [] })
  expect(expected.first).toMatchObject([{ device: 'p-2' }])
  const { json } = await stack.api('/v1/devices/p-2', { method: 'PATCH', body: { group: 'south' } })
  expect(await receiptsOf(json.change)).toMatchObject(of(untouched, cut))
  expect(await told[1]).toMatchObject({ reasonCode: 0x87 })
  expect(clients[0]?.connected).toBe(true)
  // Its certificate still says north, at whichever node it asks.
  for (const at of [port, stack.ports.mqtt]) {
    const moved = await (devices[1] as EnrolledDevice).connect({ port: at })
    await expect(moved.subscribeAsync(filter('firmware'), { qos: 1 })).rejects.toThrow('Not authorized')
    await moved.endAsync(true)
  }
})
