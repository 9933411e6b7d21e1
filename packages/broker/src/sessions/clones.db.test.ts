import { type CloneAction, cloneActions } from '@muster/contracts'
import { audit, changes, fleets } from '@muster/db'
import { eq } from 'drizzle-orm'
import type { IClientOptions } from 'mqtt'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { nextEvent, rawClient, startTestBroker, type TestBroker, type TestDevice } from '../testing.ts'

let muster: TestBroker
beforeAll(async () => {
  muster = await startTestBroker({ limits: { cloneAskMs: 700 } })
})
afterAll(() => muster[Symbol.asyncDispose]())

const [here, there] = ['127.0.0.1', '127.0.0.2'] as const
/** A device in a fleet of its own, which does `action`. */
async function addDevice(id: string, action: CloneAction): Promise<TestDevice> {
  const device = await muster.addDevice(id, { fleet: `fleet-${id}` })
  await muster.db
    .update(fleets)
    .set({ onClone: action })
    .where(eq(fleets.name, `fleet-${id}`))
  return device
}
const connectFrom = (localAddress: string, device: TestDevice, options: IClientOptions = {}) =>
  muster.connect(device, { localAddress, ...options } as IClientOptions)
async function recordOf(id: string) {
  const text = 'select code, address, detail, alert, proven, count::int from refusals where device = $1'
  return (await muster.db.$client.query(text, [id])).rows
}

describe.each([4, 5] as const)('two places at once, MQTT %s', (protocolVersion) => {
  test.each(cloneActions)('are recognised at the second CONNECT: %s', async (action) => {
    const id = `${action}-${protocolVersion}`
    const device = await addDevice(id, action)
    const first = await connectFrom(here, device, { protocolVersion })
    const closed = nextEvent(first, 'close')
    const second = connectFrom(there, device, { protocolVersion })
    if (action === 'keep-newest') {
      expect((await second).connected).toBe(true)
      await closed
    } else {
      await expect(second).rejects.toMatchObject({ code: protocolVersion === 5 ? 0x87 : 5 })
    }
    if (action === 'keep-oldest') expect(first.connected).toBe(true)
    if (action === 'suspend') await closed
    const address = action === 'keep-newest' ? here : there
    await vi.waitFor(async () =>
      expect(await recordOf(id)).toMatchObject([{ code: 'certificate-cloned', alert: true, proven: true, address }]),
    )
    const [{ detail }] = await recordOf(id)
    expect(detail).toContain(here)
    expect(detail).toContain(there)
    await Promise.all([first.endAsync(true), second.then((client) => client.endAsync(true)).catch(() => {})])
  })
})

test('suspending is on record, and keeps both out until the device is resumed', async () => {
  const device = await addDevice('both-out', 'suspend')
  const first = await connectFrom(here, device)
  const closed = nextEvent(first, 'close')
  await expect(connectFrom(there, device)).rejects.toMatchObject({ code: 5 })
  await closed
  const [change] = await muster.db.select().from(changes).where(eq(changes.device, 'both-out'))
  await muster.receipt(String(change?.seq))
  for (const place of [here, there]) await expect(connectFrom(place, device)).rejects.toMatchObject({ code: 5 })
  expect(await muster.db.select().from(audit).where(eq(audit.subject, 'both-out'))).toMatchObject([
    { actor: 'broker-1', action: 'device.suspend', detail: { reason: 'certificate-cloned', serial: device.serial } },
  ])
  await muster.receipt(await muster.change(device, 'resume'))
  const client = await connectFrom(here, device)
  await client.endAsync()
})

test.each(cloneActions)(
  'a device that has moved, its old connection half open, is let in and not suspected: %s',
  async (action) => {
    const id = `moved-${action}`
    const device = await addDevice(id, action)
    const socket = await muster.openTls(device, { localAddress: here })
    const raw = rawClient(socket)
    raw.connect(id)
    await raw.next('connack')
    // From here on the old connection is as good as gone: it reads and says nothing, and its end has not come through.
    socket.pause()
    const moved = await connectFrom(there, device)
    expect(moved.connected).toBe(true)
    expect(await recordOf(id)).toEqual([])
    await moved.endAsync()
    socket.destroy()
  },
)

test('a device that comes back from the same address takes over at once', async () => {
  const device = await addDevice('again', 'keep-oldest')
  const first = await connectFrom(here, device)
  const closed = nextEvent(first, 'close')
  const second = await connectFrom(here, device)
  await closed
  expect(second.connected).toBe(true)
  expect(await recordOf('again')).toEqual([])
  await Promise.all([first.endAsync(true), second.endAsync()])
})

test('two behind one address are recognised when they take turns', async () => {
  const device = await addDevice('one-nat', 'keep-newest')
  const clients = []
  for (let turn = 0; turn < 4; turn++) clients.push(await connectFrom(here, device))
  await vi.waitFor(async () => expect(await recordOf('one-nat')).toMatchObject([{ code: 'certificate-cloned' }]))
  await Promise.all(clients.map((client) => client.endAsync(true)))
})

test('a renewed certificate is not a copy of the one before', async () => {
  const device = await addDevice('renews', 'keep-oldest')
  const first = await connectFrom(here, device)
  const closed = nextEvent(first, 'close')
  const second = await connectFrom(there, await muster.renewDevice(device))
  await closed
  expect(second.connected).toBe(true)
  expect(await recordOf('renews')).toEqual([])
  await Promise.all([first.endAsync(true), second.endAsync()])
})

test('two that fight take turns ever more rarely, and others are served', async () => {
  const device = await addDevice('fight', 'keep-newest')
  const bystander = await connectFrom(here, await addDevice('bystander', 'keep-newest'))
  let holder = await connectFrom(here, device)
  let place: string = here
  let taken = 0
  let refused = 0
  for (let round = 0; round < 20; round++) {
    const other = place === here ? there : here
    try {
      const next = await connectFrom(other, device)
      await holder.endAsync(true)
      holder = next
      place = other
      taken += 1
    } catch {
      refused += 1
    }
  }
  expect(taken).toBeGreaterThan(0)
  expect(refused).toBeGreaterThan(taken)
  expect(bystander.connected).toBe(true)
  await bystander.publishAsync('fleets/fleet-bystander/devices/bystander/telemetry', 'x', { qos: 1 })
  await vi.waitFor(async () => expect((await recordOf('fight')).length).toBeGreaterThan(0))
  expect((await recordOf('fight')).length).toBeLessThanOrEqual(3)
  await Promise.all([holder.endAsync(true), bystander.endAsync()])
})
