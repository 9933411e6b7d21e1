import { sql } from 'drizzle-orm'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { nextEvent, rawClient, someoneWaitsFor, startTestBroker, type TestBroker, whileLocked } from '../testing.ts'

let muster: TestBroker
beforeAll(async () => {
  muster = await startTestBroker({ limits: { holdMs: 300 } })
})
afterAll(() => muster[Symbol.asyncDispose]())

const topicOf = (id: string) => `fleets/default/devices/${id}/telemetry`
async function stored(id: string): Promise<string[]> {
  const { rows } = await muster.db.execute<{ payload: string }>(
    sql`select convert_from(payload, 'UTF8') as payload from telemetry where device = ${id} order by seq`,
  )
  return rows.map(({ payload }) => payload)
}
async function openRaw(id: string, version: 4 | 5, options = {}) {
  const device = await muster.addDevice(id)
  const connect = async () => {
    const socket = await muster.openTls(device)
    const client = rawClient(socket, version)
    client.connect(id, options)
    await client.next('connack')
    return { ...client, socket }
  }
  return { device, connect }
}
const message = (id: string, payload: string, qos: 0 | 1 | 2, messageId = 1, dup = false) =>
  ({ cmd: 'publish', topic: topicOf(id), payload, qos, messageId, dup, retain: false }) as const

describe('acknowledged means stored', () => {
  test.each([
    [4, 1, 'puback'],
    [5, 1, 'puback'],
    [4, 2, 'pubrec'],
    [5, 2, 'pubrec'],
  ] as const)('MQTT %s, QoS %s: no %s while the row is not committed', async (version, qos, acknowledgement) => {
    const id = `held-${version}-${qos}`
    const { connect } = await openRaw(id, version)
    const client = await connect()
    await whileLocked(muster.db, 'telemetry', async () => {
      client.send(message(id, 'x', qos))
      await someoneWaitsFor(muster.db, 'telemetry')
      expect(client.find(acknowledgement)).toEqual([])
    })
    await client.next(acknowledgement)
    expect(await stored(id)).toEqual(['x'])
    client.socket.destroy()
  })

  describe('while nothing can be stored', () => {
    beforeAll(() => muster.asSuperuser('revoke insert on telemetry from muster_broker'))
    afterAll(() => muster.asSuperuser('grant insert on telemetry to muster_broker'))

    test.each([
      [4, 1],
      [4, 2],
      [5, 1],
      [5, 2],
    ] as const)(
      'MQTT %s, QoS %s is not acknowledged in any way: after a while the connection is closed',
      async (version, qos) => {
        const id = `refused-${version}-${qos}`
        const { connect } = await openRaw(id, version)
        const client = await connect()
        client.send(message(id, 'x', qos))
        await client.closed
        const after = client.received.slice(1)
        expect(after).toMatchObject(version === 5 ? [{ cmd: 'disconnect', reasonCode: 0x89 }] : [])
      },
    )

    test('QoS 0 is dropped and counted, and the connection stays', async () => {
      const { connect } = await openRaw('refused-0', 4)
      const client = await connect()
      client.send(message('refused-0', 'x', 0))
      client.send({ cmd: 'pingreq' })
      await client.next('pingresp')
      await vi.waitFor(async () => {
        const metrics = await fetch(`http://127.0.0.1:${muster.broker.metricsPort}/metrics`)
        expect(await metrics.text()).toMatch(/muster_broker_messages_dropped_total\{why="not-stored"\} 1/)
      })
      client.socket.destroy()
    })
  })

  test('a device that goes on trying loses nothing', async () => {
    const device = await muster.addDevice('stubborn')
    const client = await muster.connect(device, { protocolVersion: 5, reconnectPeriod: 20 })
    await muster.asSuperuser('revoke insert on telemetry from muster_broker')
    const closed = nextEvent(client, 'close')
    const published = Promise.all(['1', '2', '3'].map((n) => client.publishAsync(topicOf('stubborn'), n, { qos: 1 })))
    await closed
    await muster.asSuperuser('grant insert on telemetry to muster_broker')
    await published
    expect(new Set(await stored('stubborn'))).toEqual(new Set(['1', '2', '3']))
    await client.endAsync()
  })
})

test('a message that the database never takes is refused, and those beside it are stored', async () => {
  await muster.asSuperuser(`
    create function refuse_poison() returns trigger language plpgsql as $$
    begin
      if new.payload = 'poison' then raise exception 'no' using errcode = '22021'; end if;
      return new;
    end $$;
    create trigger poison before insert on telemetry for each row execute function refuse_poison()`)
  const { connect } = await openRaw('poisoned', 5)
  const client = await connect()
  const payloads = ['1', 'poison', '2', '3']
  client.socket.cork()
  for (const [index, payload] of payloads.entries()) client.send(message('poisoned', payload, 1, index + 1))
  client.send(message('poisoned', 'poison', 2, 9))
  client.socket.uncork()
  await client.next('puback', 4)
  await client.next('pubrec')
  expect(client.find('puback')).toMatchObject([0, 0x87, 0, 0].map((reasonCode) => ({ reasonCode })))
  expect(client.find('pubrec')).toMatchObject([{ reasonCode: 0x87 }])
  expect(await stored('poisoned')).toEqual(['1', '2', '3'])
  await muster.asSuperuser('drop trigger poison on telemetry')
  client.socket.destroy()
})

describe('QoS 2 is stored once', () => {
  const kept = { clean: false, properties: { sessionExpiryInterval: 3_600 } }

  test('when it is sent again on a new connection', async () => {
    const { connect } = await openRaw('twice', 5, kept)
    const first = await connect()
    first.send(message('twice', 'x', 2, 7))
    await first.next('pubrec')
    first.socket.destroy()
    const second = await connect()
    second.send(message('twice', 'x', 2, 7, true))
    await second.next('pubrec')
    second.send({ cmd: 'pubrel', messageId: 7 })
    await second.next('pubcomp')
    expect(await stored('twice')).toEqual(['x'])
    // Released: the packet id is free for another message.
    second.send(message('twice', 'y', 2, 7))
    await second.next('pubrec', 2)
    expect(await stored('twice')).toEqual(['x', 'y'])
    second.socket.destroy()
  })

  test('when it is sent again while the first is still being stored', async () => {
    const { connect } = await openRaw('early', 5, kept)
    const first = await connect()
    await whileLocked(muster.db, 'telemetry', async () => {
      first.send(message('early', 'x', 2, 7))
      await someoneWaitsFor(muster.db, 'telemetry')
      first.socket.destroy()
      const second = await connect()
      second.send(message('early', 'x', 2, 7, true))
      second.send({ cmd: 'pingreq' })
      await second.next('pingresp')
      setImmediate(async () => {
        await second.next('pubrec')
        second.socket.destroy()
      })
    })
    await vi.waitFor(async () => expect(await stored('early')).toEqual(['x']))
    const third = await connect()
    third.send(message('early', 'x', 2, 7, true))
    await third.next('pubrec')
    expect(await stored('early')).toEqual(['x'])
    third.socket.destroy()
  })

  test.each([4, 5] as const)('but the packet ids of a session end with it (MQTT %s)', async (version) => {
    const id = `anew-${version}`
    const { connect } = await openRaw(id, version)
    for (const payload of ['x', 'y']) {
      const client = await connect()
      client.send(message(id, payload, 2, 7))
      await client.next('pubrec')
      client.socket.destroy()
    }
    expect(await stored(id)).toEqual(['x', 'y'])
  })
})

describe('what may be a repetition is marked', () => {
  const marks = async (id: string) => {
    const { rows } = await muster.db.execute<{ duplicate: boolean }>(
      sql`select duplicate from telemetry where device = ${id} order by seq`,
    )
    return rows.map(({ duplicate }) => duplicate)
  }

  test.each([4, 5] as const)('QoS 1, sent again because its PUBACK was lost (MQTT %s)', async (version) => {
    const id = `again-${version}`
    const { connect } = await openRaw(id, version)
    for (const isAgain of [false, true]) {
      const client = await connect()
      client.send(message(id, 'x', 1, 7, isAgain))
      await client.next('puback')
      client.socket.destroy()
    }
    expect(await marks(id)).toEqual([false, true])
  })

  test('QoS 2, where the session that knew it has ended', async () => {
    const { connect } = await openRaw('again-once', 5)
    for (const isAgain of [false, true]) {
      const client = await connect()
      client.send(message('again-once', 'x', 2, 7, isAgain))
      await client.next('pubrec')
      client.socket.destroy()
    }
    expect(await marks('again-once')).toEqual([false, true])
  })
})

test('what one device publishes is stored in order, whatever is under way', async () => {
  const ids = ['order-1', 'order-2', 'order-3']
  const numbers = Array.from({ length: 500 }, (_, index) => String(index))
  await Promise.all(
    ids.map(async (id) => {
      const client = await muster.connect(await muster.addDevice(id))
      await Promise.all(numbers.map((number) => client.publishAsync(topicOf(id), number, { qos: 1 })))
      await client.endAsync()
    }),
  )
  for (const id of ids) expect(await stored(id)).toEqual(numbers)
})

test('what a service publishes is not telemetry', async () => {
  const client = await muster.connect(await muster.addDevice('backend', { profile: 'service' }))
  await client.publishAsync('fleets/default/devices/x/commands/y', 'z', { qos: 1 })
  const { rows } = await muster.db.execute(sql`select 1 from telemetry where payload = 'z'`)
  expect(rows).toEqual([])
  await client.endAsync()
})
