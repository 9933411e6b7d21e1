import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import { rawClient, startTestBroker, type TestBroker } from '../../testing.ts'

const sendMaximum = 50
let muster: TestBroker
beforeAll(async () => {
  muster = await startTestBroker({
    limits: { drainMs: 1_000, sendMaximum, queuedMessages: 20_000, queuedBytes: 8 * 1_024 * 1_024 },
  })
})
afterAll(() => muster[Symbol.asyncDispose]())

const topic = (id: string) => `fleets/default/devices/${id}/commands/x`
const kept = { clean: false, properties: { sessionExpiryInterval: 3_600 } }
const open = async (id: string, options = {}) => {
  const device = await muster.addDevice(id, { profile: 'service' })
  const socket = await muster.openTls(device)
  const client = rawClient(socket, 5)
  client.connect(id, options)
  await client.next('connack')
  return { ...client, device, socket }
}
type Client = Awaited<ReturnType<typeof open>>
const subscribe = async (client: Client, filter: string, qos: 0 | 1) => {
  client.send({ cmd: 'subscribe', messageId: 1, subscriptions: [{ topic: filter, qos }] })
  await client.next('suback')
}
const metric = async (line: RegExp) => {
  const text = await (await fetch(`http://127.0.0.1:${muster.broker.metricsPort}/metrics`)).text()
  return Number(line.exec(text)?.[1] ?? 0)
}
const until = (check: () => void) => vi.waitFor(check, { timeout: 25_000, interval: 20 })

/** Acknowledges everything that comes, from now on. */
function acknowledge(client: Client) {
  let done = 0
  client.socket.on('data', () => {
    const all = client.find('publish')
    for (; done < all.length; done++) {
      const { messageId } = all[done] ?? {}
      if (messageId) client.send({ cmd: 'puback', messageId })
    }
  })
}

test('a client that reads nothing costs the others nothing, and is cut off', async () => {
  const frozen = await open('frozen')
  const healthy = await open('healthy')
  for (const client of [frozen, healthy]) await subscribe(client, topic('flood'), 0)
  frozen.socket.pause()
  const backend = await muster.connect(await muster.addDevice('flooder', { profile: 'service' }))
  const payload = Buffer.alloc(2_048)
  const published = Array.from({ length: 10_000 }, () => backend.publishAsync(topic('flood'), payload, { qos: 1 }))
  await Promise.all(published)
  await until(() => expect(healthy.find('publish')).toHaveLength(10_000))
  await until(async () => expect(await metric(/^muster_broker_slow_readers_cut_off_total (\d+)/m)).toBe(1))
  expect(await metric(/^muster_broker_messages_dropped_total\{why="slow-reader"\} (\d+)/m)).toBeGreaterThan(0)
  frozen.socket.resume()
  await frozen.closed
  // All that ever waited for it: what the kernel took, and the bound.
  expect(frozen.find('publish').length).toBeLessThan(10_000)
  healthy.socket.destroy()
  await backend.endAsync()
}, 60_000)

test('10,000 queued messages go to a slow reader a window at a time; others get theirs meanwhile', async () => {
  const slow = await open('slow', kept)
  await subscribe(slow, topic('queue'), 1)
  slow.socket.destroy()
  await slow.closed
  const backend = await muster.connect(await muster.addDevice('queuer', { profile: 'service' }))
  await Promise.all(
    Array.from({ length: 10_000 }, (_, index) => backend.publishAsync(topic('queue'), `${index}`, { qos: 1 })),
  )
  const back = await open('slow', kept)
  await back.next('publish', sendMaximum)
  const healthy = await open('beside')
  await subscribe(healthy, topic('live'), 1)
  acknowledge(healthy)
  await Promise.all(Array.from({ length: 500 }, () => backend.publishAsync(topic('live'), 'x', { qos: 1 })))
  await until(() => expect(healthy.find('publish')).toHaveLength(500))
  // It has acknowledged nothing so far.
  expect(back.find('publish')).toHaveLength(sendMaximum)
  acknowledge(back)
  back.send({ cmd: 'puback', messageId: back.find('publish')[0]?.messageId ?? 0 })
  await until(() => expect(back.find('publish')).toHaveLength(10_000))
  const order = back
    .find('publish')
    .map((packet) => (packet.cmd === 'publish' ? Number(packet.payload.toString()) : -1))
  expect(order).toEqual(Array.from({ length: 10_000 }, (_, index) => index))
  for (const client of [back, healthy]) client.socket.destroy()
  await backend.endAsync()
}, 90_000)

test('a clean session that acknowledges nothing holds no more than its bound', async () => {
  const lazy = await open('lazy', { properties: { receiveMaximum: 1 } })
  await subscribe(lazy, topic('lazy'), 1)
  const backend = await muster.connect(await muster.addDevice('pusher', { profile: 'service' }))
  const payload = Buffer.alloc(16 * 1_024)
  const before = await metric(/^muster_broker_messages_dropped_total\{why="queue-full"\} (\d+)/m)
  // One is under way, 512 wait: that is all that may.
  await Promise.all(Array.from({ length: 1_024 }, () => backend.publishAsync(topic('lazy'), payload, { qos: 1 })))
  expect(lazy.find('publish')).toHaveLength(1)
  expect(await metric(/^muster_broker_messages_dropped_total\{why="queue-full"\} (\d+)/m)).toBe(before + 511)
  lazy.socket.destroy()
  await backend.endAsync()
}, 60_000)

test('whoever reads all the time is not cut off, however much goes to it all the time', async () => {
  const busy = await open('busy')
  await subscribe(busy, topic('busy'), 0)
  const backend = await muster.connect(await muster.addDevice('feeder', { profile: 'service' }))
  const before = await metric(/^muster_broker_slow_readers_cut_off_total (\d+)/m)
  const until = Date.now() + 3_000
  const payload = Buffer.alloc(8_192)
  // Some of it waits whenever the node looks.
  while (Date.now() < until)
    await Promise.all(Array.from({ length: 100 }, () => backend.publishAsync(topic('busy'), payload, { qos: 1 })))
  busy.send({ cmd: 'pingreq' })
  await busy.next('pingresp')
  expect(await metric(/^muster_broker_slow_readers_cut_off_total (\d+)/m)).toBe(before)
  busy.socket.destroy()
  await backend.endAsync()
}, 60_000)
