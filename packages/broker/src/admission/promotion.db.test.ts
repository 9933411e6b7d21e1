import type { Tx } from '@muster/db'
import { sql } from 'drizzle-orm'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { nextEvent, rawClient, startTestBroker, type TestBroker } from '../testing.ts'

let muster: TestBroker
beforeAll(async () => {
  muster = await startTestBroker()
})
afterAll(() => muster?.[Symbol.asyncDispose]())

const audited = async (id: string) => {
  const { rows } = await muster.db.execute(
    sql`select actor, action, detail->>'serial' as serial from audit where subject = ${id} order by seq`,
  )
  return rows
}

/** Somebody waits for a row that this transaction holds. */
const someoneWaits = (tx: Tx) =>
  vi.waitFor(async () => {
    const { rows } = await tx.execute(
      sql`select from pg_locks theirs join pg_locks ours using (locktype, transactionid)
        where locktype = 'transactionid' and not theirs.granted and ours.granted and ours.pid = pg_backend_pid()`,
    )
    expect(rows).toHaveLength(1)
  }, 5_000)

describe('a renewed certificate', () => {
  test('is the one in use from its first connection on; the old one is refused, its connection taken over', async () => {
    const old = await muster.addDevice('renewed')
    const first = await muster.connect(old, { protocolVersion: 5 })
    const told = nextEvent(first, 'disconnect')
    const renewed = await muster.renewDevice(old)
    const second = await muster.connect(renewed)
    expect(await told).toMatchObject({ reasonCode: 0x8e })
    expect([await muster.stateOf(old), await muster.stateOf(renewed)]).toEqual(['superseded', 'active'])
    expect(await audited('renewed')).toEqual([
      { actor: 'broker-1', action: 'certificate.promote', serial: renewed.serial },
    ])
    await expect(muster.connect(old)).rejects.toMatchObject({ code: 5 })
    await vi.waitFor(async () => expect(await muster.refusals('renewed')).toEqual(['certificate-superseded']))
    // Told of its own promotion, the node leaves the new connection alone.
    await second.publishAsync('fleets/default/devices/renewed/telemetry/t', 'x', { qos: 1 })
    expect(second.connected).toBe(true)
    await second.endAsync()
    await (await muster.connect(renewed)).endAsync()
    expect(await audited('renewed')).toHaveLength(1)
  })

  test('keeps the session of the one before it', async () => {
    const old = await muster.addDevice('kept')
    const persistent = { clean: false, properties: { sessionExpiryInterval: 3_600 }, protocolVersion: 5 } as const
    const first = await muster.connect(old, persistent)
    await first.subscribeAsync('fleets/default/devices/kept/commands/#', { qos: 1 })
    await first.endAsync()
    const socket = await muster.openTls(await muster.renewDevice(old))
    const raw = rawClient(socket, 5)
    raw.connect('kept', { clean: false, properties: { sessionExpiryInterval: 3_600 } })
    expect(await raw.next('connack')).toMatchObject({ reasonCode: 0, sessionPresent: true })
    socket.destroy()
  })

  test('is not in use before it is admitted: a connection refused for another reason changes nothing', async () => {
    const old = await muster.addDevice('careful')
    const renewed = await muster.renewDevice(old)
    await expect(muster.connect(renewed, { clientId: 'somebody-else' })).rejects.toMatchObject({ code: 2 })
    expect([await muster.stateOf(old), await muster.stateOf(renewed)]).toEqual(['active', 'pending'])
    await (await muster.connect(old)).endAsync()
  })

  test('used on another node closes the connection that the old one has on this', async () => {
    await using other = await muster.startNode('broker-2')
    const old = await muster.addDevice('moved')
    const client = await muster.connect(old, { protocolVersion: 5 })
    const told = nextEvent(client, 'disconnect')
    const closed = nextEvent(client, 'close')
    const socket = await muster.openTls(await muster.renewDevice(old), { port: other.mqttPort })
    const raw = rawClient(socket, 5)
    raw.connect('moved')
    expect(await raw.next('connack')).toMatchObject({ reasonCode: 0 })
    expect(await told).toMatchObject({ reasonCode: 0x98, properties: { reasonString: 'certificate-superseded' } })
    await closed
    expect(socket.destroyed).toBe(false)
    socket.destroy()
  })

  test('used many times at once is promoted once, and one connection stays', async () => {
    const renewed = await muster.renewDevice(await muster.addDevice('eager'))
    const clients = await Promise.all(
      Array.from({ length: 8 }, async () => {
        const raw = rawClient(await muster.openTls(renewed))
        raw.connect('eager')
        return raw
      }),
    )
    const open = new Set(clients)
    for (const client of clients) client.closed.then(() => open.delete(client))
    await vi.waitFor(() => expect(open.size).toBe(1), 5_000)
    const [last] = open
    expect(await last?.next('connack')).toMatchObject({ returnCode: 0 })
    expect(await audited('eager')).toHaveLength(1)
  })
})

describe('is safe', () => {
  test('a revocation that comes before the promotion wins', async () => {
    const old = await muster.addDevice('lost')
    const renewed = await muster.renewDevice(old)
    const socket = await muster.openTls(renewed)
    const raw = rawClient(socket, 5)
    await muster.db.transaction(async (tx) => {
      await tx.execute(sql`select from devices where id = 'lost' for update`)
      raw.connect('lost')
      await someoneWaits(tx)
      await tx.execute(sql`update devices set state = 'revoked' where id = 'lost'`)
      await tx.execute(sql`update certificates set state = 'revoked', revoked_at = now() where device = 'lost'`)
    })
    await raw.closed
    const properties = { reasonString: expect.stringContaining('device-revoked') }
    expect(raw.find('connack')).toMatchObject([{ reasonCode: 0x87, properties }])
    expect([await muster.stateOf(old), await muster.stateOf(renewed)]).toEqual(['revoked', 'revoked'])
    expect(await audited('lost')).toEqual([])
    await expect(muster.connect(renewed)).rejects.toMatchObject({ code: 5 })
  })

  test('a connection that is being judged while its device is judged again is refused in words', async () => {
    const old = await muster.addDevice('between')
    const first = await muster.connect(old, { protocolVersion: 5 })
    const closed = nextEvent(first, 'close')
    const renewed = await muster.renewDevice(old)
    const raw = rawClient(await muster.openTls(renewed), 5)
    await muster.db.transaction(async (tx) => {
      await tx.execute(sql`select from devices where id = 'between' for update`)
      raw.connect('between')
      await someoneWaits(tx)
      await muster.db.execute(sql`update certificates set state = 'superseded' where device = 'between'`)
      await muster.db.execute(sql`select pg_notify('muster_promotions', 'default/between elsewhere')`)
      await closed
    })
    await raw.closed
    const properties = { reasonString: expect.stringContaining('certificate-superseded') }
    expect(raw.find('connack')).toMatchObject([{ reasonCode: 0x87, properties }])
  })

  test('however revocation and first use fall, nobody stays connected and nothing stays in use', async () => {
    const rounds = Array.from({ length: 30 }, (_, round) => round)
    await Promise.all(
      rounds.map(async (round) => {
        const renewed = await muster.renewDevice(await muster.addDevice(`race-${round}`))
        const connecting = muster.openTls(renewed).then((socket) => {
          const client = rawClient(socket, 5)
          client.connect(renewed.id)
          return client
        })
        await new Promise((resolve) => setTimeout(resolve, round))
        await muster.receipt(await muster.change(renewed, 'revoke'))
        await (await connecting).closed
        expect(await muster.stateOf(renewed)).toBe('revoked')
      }),
    )
  })

  test('a renewal that another has replaced is superseded too', async () => {
    const old = await muster.addDevice('replaced')
    const renewed = await muster.renewDevice(old)
    await muster.db.execute(sql`update certificates set state = 'superseded' where serial = ${renewed.serial}`)
    await expect(muster.connect(renewed)).rejects.toMatchObject({ code: 5 })
    await (await muster.connect(old)).endAsync()
  })
})
