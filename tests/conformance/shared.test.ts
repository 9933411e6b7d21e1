import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { type Conformance, commands, kept, last, type RawClient, startConformance } from './harness.ts'

let suite: Conformance
let backend: RawClient
beforeAll(async () => {
  suite = await startConformance()
  backend = await suite.open(await suite.service('backend'), 5)
})
afterAll(() => suite[Symbol.asyncDispose]())

const share = (id: string, group = 'workers') => `$share/${group}/${commands(id, '#')}`
const member = async (id: string, connect = {}, version: 4 | 5 = 5) =>
  suite.open(await suite.service(id), version, connect)
const numbers = (count: number) => Array.from({ length: count }, (_, index) => `${index + 1}`)
const send = async (id: string, count: number, changed = {}) => {
  for (const n of numbers(count)) await backend.publish(commands(id, n), n, changed)
}
const got = (client: RawClient) => client.published().map(({ topic }) => last(topic))
const sorted = (...clients: RawClient[]) => clients.flatMap(got).toSorted((a, b) => Number(a) - Number(b))
const ack = (client: RawClient) => {
  for (const { messageId } of client.published()) if (messageId) client.send({ cmd: 'puback', messageId })
}

describe('4.8.2 shared subscriptions', () => {
  test.each([0, 1, 2] as const)(
    '[MQTT-4.8.2-3] each message goes to one member of each group (QoS %i)',
    async (qos) => {
      const id = `each-${qos}`
      const [a, b, other] = [await member(`a-${qos}`), await member(`b-${qos}`), await member(`c-${qos}`)]
      for (const client of [a, b]) await client.subscribe(share(id), { qos: 2 }, { subscriptionIdentifier: 5 })
      await other.subscribe(share(id, 'others'), { qos: 2 })
      await send(id, 10, { qos })
      await vi.waitFor(() => expect(sorted(a, b)).toEqual(numbers(10)), 5_000)
      await vi.waitFor(() => expect(sorted(other)).toEqual(numbers(10)), 5_000)
      expect(got(a).length).toBe(5)
      expect(a.published()[0]).toMatchObject({ qos, properties: { subscriptionIdentifier: 5 } })
      for (const client of [a, b, other]) await client.drop()
    },
  )

  test('a member without room is passed over', async () => {
    const busy = await member('busy', { properties: { receiveMaximum: 1 } })
    const idle = await member('idle')
    for (const client of [busy, idle]) await client.subscribe(share('load'))
    await send('load', 10)
    await vi.waitFor(() => expect(sorted(busy, idle)).toEqual(numbers(10)), 5_000)
    expect(got(busy)).toHaveLength(1)
    for (const client of [busy, idle]) await client.drop()
  })

  test.each(['kept', 'clean'] as const)(
    'when a member goes, what it has not acknowledged goes to another (%s session)',
    async (session) => {
      const id = `handover-${session}`
      const leaving = await member(`leaving-${session}`, session === 'kept' ? kept() : {})
      await leaving.subscribe(share(id))
      await send(id, 3)
      await leaving.publishes(3)
      leaving.send({ cmd: 'puback', messageId: leaving.published()[0]?.messageId ?? 0 })
      await leaving.roundTrip()
      const staying = await member(`staying-${session}`)
      await staying.subscribe(share(id))
      await leaving.drop()
      await vi.waitFor(() => expect(sorted(staying)).toEqual(['2', '3']), 5_000)
      const back = await member(`leaving-${session}`, kept())
      await back.roundTrip()
      expect(got(back)).toEqual([])
      for (const client of [staying, back]) await client.drop()
    },
  )

  test('[MQTT-4.8.2-4] a QoS 2 message that was sent is finished with the session that has it', async () => {
    const first = await member('first', kept())
    await first.subscribe(share('twice'), { qos: 2 })
    await send('twice', 1, { qos: 2 })
    const [sent] = await first.publishes(1)
    const second = await member('second')
    await second.subscribe(share('twice'), { qos: 2 })
    await first.drop()
    const back = await member('first', kept())
    expect(await back.next('publish')).toMatchObject({ messageId: sent?.messageId, dup: true })
    await second.roundTrip()
    expect(got(second)).toEqual([])
    for (const client of [second, back]) await client.drop()
  })

  test('a session that is kept stays a member: it gets nothing while another is connected, and all when none is', async () => {
    const away = await member('away', kept())
    await away.subscribe(share('absent'))
    await away.leave()
    const present = await member('present')
    await present.subscribe(share('absent'))
    await send('absent', 2)
    await present.publishes(2)
    ack(present)
    await present.roundTrip()
    await present.leave()
    await backend.publish(commands('absent', '3'), '3')
    const back = await member('away', kept())
    await back.publishes(1)
    expect(got(back)).toEqual(['3'])
    await backend.publish(commands('absent', '4'), '4')
    await back.publishes(2)
    expect(got(back)).toEqual(['3', '4'])
    await back.drop()
  })

  test('[MQTT-3.8.3-4] no local on one is a protocol error: 0x82', async () => {
    const client = await member('selfish')
    client.send({
      cmd: 'subscribe',
      messageId: 1,
      subscriptions: [{ topic: share('x'), qos: 1, nl: true, rap: false, rh: 0 }],
    })
    expect(await client.next('disconnect')).toMatchObject({ reasonCode: 0x82 })
    await client.closed
  })

  test('4.8.2 no retained messages; beside other filters one SUBACK in order; the policy is asked for the inner filter', async () => {
    await backend.publish(commands('mixed', 'state'), 'x', { retain: true })
    const client = await member('mixed')
    const filters = [share('mixed'), 'fleets/other/#', '$share/workers/fleets/other/#', commands('plain', '#')]
    const suback = await client.subscribe(filters)
    expect(suback.granted).toEqual([1, 0x87, 0x87, 1])
    await client.roundTrip()
    expect(client.published()).toEqual([])
    await client.drop()
  })

  test('devices do not share: 0x87, on record; MQTT 3.1.1 services do', async () => {
    const device = await suite.open(await suite.device('greedy'), 5)
    const suback = await device.subscribe(share('greedy'))
    expect(suback).toMatchObject({ granted: [0x87], properties: { reasonString: /services/ } })
    await vi.waitFor(async () => expect(await suite.muster.refusals('greedy')).toEqual(['subscribe-denied']))
    await device.drop()
    const old = await member('old', {}, 4)
    await old.subscribe(share('greedy'))
    await send('greedy', 1)
    await old.publishes(1)
    await old.drop()
  })

  test('UNSUBSCRIBE leaves the group; the others get everything', async () => {
    const [going, staying] = [await member('going'), await member('left')]
    for (const client of [going, staying]) await client.subscribe(share('split'))
    going.send({ cmd: 'unsubscribe', messageId: 9, unsubscriptions: [share('split')] })
    expect(await going.next('unsuback')).toMatchObject({ granted: [0] })
    await send('split', 4)
    await staying.publishes(4)
    expect(got(going)).toEqual([])
    for (const client of [going, staying]) await client.drop()
  })

  test('a session of its own subscription and a share to the same topic gets a message for each', async () => {
    const client = await member('double', kept())
    await client.subscribe(share('double'), { qos: 1 }, { subscriptionIdentifier: 1 })
    await client.subscribe(commands('double', '#'), { qos: 1 }, { subscriptionIdentifier: 2 })
    await send('double', 1)
    const packets = await client.publishes(2)
    expect(packets.map(({ properties }) => properties?.subscriptionIdentifier).toSorted()).toEqual([1, 2])
    ack(client)
    await client.roundTrip()
    await client.drop()
    const back = await member('double', kept())
    await back.roundTrip()
    expect(got(back)).toEqual([])
    await back.drop()
  })

  test('a member that is away is one still after the node has started anew', async () => {
    const away = await member('restarted', kept())
    await away.subscribe(share('restarted'))
    await away.leave()
    await backend.drop()
    await suite.muster.broker[Symbol.asyncDispose]()
    await suite.muster.start()
    backend = await suite.open(backend.device, 5)
    await backend.publish(commands('restarted', '1'), 'x')
    const back = await member('restarted', kept())
    await back.publishes(1)
    expect(got(back)).toEqual(['1'])
    await back.drop()
  })

  test('a member whose session was purged is none', async () => {
    const gone = await member('purged', kept())
    await gone.subscribe(share('purged'))
    await gone.leave()
    await suite.muster.receipt(await suite.muster.change(gone.device, 'revoke'))
    await backend.publish(commands('purged', '1'), 'x')
    const next = await member('heir')
    await next.subscribe(share('purged'))
    await backend.publish(commands('purged', '2'), 'x')
    await next.publishes(1)
    expect(got(next)).toEqual(['2'])
    await next.drop()
  })
})
