import { execFile } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { connect as connectTls } from 'node:tls'
import { promisify } from 'node:util'
import { createTestCa } from '@muster/pki/testing'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import type { Broker } from '../broker.ts'
import { issueServerCredentials, rawClient, startTestBroker, type TestBroker, type TestDevice } from '../testing.ts'

const run = promisify(execFile)
let muster: TestBroker
let second: Broker
beforeAll(async () => {
  muster = await startTestBroker({ limits: { pollMs: 100 } })
  second = await muster.startNode('broker-2')
  await allShared(['broker-1', 'broker-2'])
})
afterAll(async () => {
  await second?.[Symbol.asyncDispose]()
  await muster?.[Symbol.asyncDispose]()
})

/** The keys of this period and the next are sealed for each of the nodes. */
const allShared = (nodes: string[], of = muster) =>
  vi.waitFor(
    async () => {
      const { rows } = await of.db.$client.query<{ nodes: string[] }>(
        `select array_agg(s.node order by s.node) as nodes from ticket_keys k join ticket_shares s on s.key = k.id
         join ticket_members m on m.node = s.node and m.public_key = s.recipient group by k.id`,
      )
      expect(rows.length).toBeGreaterThanOrEqual(2)
      for (const row of rows) expect(row.nodes).toEqual(nodes)
    },
    { timeout: 10_000, interval: 50 },
  )

/** Connects once; answers whether the session was resumed, what CONNACK said, and the ticket for the next time. */
async function attempt(
  port: number,
  device: TestDevice,
  version: 'TLSv1.2' | 'TLSv1.3',
  session?: Buffer,
  of = muster,
) {
  const socket = connectTls({
    ...{ host: '127.0.0.1', servername: 'localhost', port, ca: of.ca.root.toString(), key: device.key },
    ...{ cert: device.cert, minVersion: version, maxVersion: version, ...(session && { session }) },
  })
  socket.on('error', () => {})
  const client = rawClient(socket)
  const tickets: Buffer[] = session ? [session] : []
  socket.on('session', (ticket: Buffer) => tickets.push(ticket))
  let resumed = false
  socket.on('secureConnect', () => {
    resumed = socket.isSessionReused()
  })
  client.connect(device.id)
  await Promise.race([client.closed, client.next('connack')])
  const [connack] = client.find('connack')
  socket.destroy()
  const code = connack?.cmd === 'connack' ? connack.returnCode : undefined
  return { resumed, code, ticket: tickets.at(-1) ?? Buffer.alloc(0) }
}

describe.each(['TLSv1.2', 'TLSv1.3'] as const)('a ticket of %s', (version) => {
  const id = (name: string) => `${name}-${version.at(-1)}`

  test('of one node resumes on another, there and back', async () => {
    const device = await muster.addDevice(id('roams'))
    const first = await attempt(muster.broker.mqttPort, device, version)
    expect(first).toMatchObject({ resumed: false, code: 0 })
    const there = await attempt(second.mqttPort, device, version, first.ticket)
    expect(there).toMatchObject({ resumed: true, code: 0 })
    const back = await attempt(muster.broker.mqttPort, device, version, there.ticket)
    expect(back).toMatchObject({ resumed: true, code: 0 })
  })

  test('of a device that is revoked resumes, and admits nobody, on any node', async () => {
    const device = await muster.addDevice(id('revoked'))
    const { ticket } = await attempt(muster.broker.mqttPort, device, version)
    const seq = await muster.change(device, 'revoke')
    await Promise.all([muster.receipt(seq), muster.receipt(seq, 'broker-2')])
    for (const port of [muster.broker.mqttPort, second.mqttPort])
      expect(await attempt(port, device, version, ticket)).toMatchObject({ resumed: true, code: 5 })
  })

  test('lasts through a renewal of the node’s own certificate', async () => {
    const device = await muster.addDevice(id('renewed'))
    const { ticket } = await attempt(muster.broker.mqttPort, device, version)
    await muster.useCredentials(await issueServerCredentials(muster.ca))
    expect(await attempt(muster.broker.mqttPort, device, version, ticket)).toMatchObject({ resumed: true, code: 0 })
  })

  test('is worth nothing once another issuer is trusted', async () => {
    const device = await muster.addDevice(id('before'))
    const { ticket } = await attempt(muster.broker.mqttPort, device, version)
    const issuer = (await createTestCa({ under: muster.ca, name: id('issuing') })).issuer.certificate
    await muster.addIssuer(id('issuing').toLowerCase(), 'issuing', issuer, 'prepared')
    await vi.waitFor(
      async () => {
        const after = await attempt(muster.broker.mqttPort, device, version, ticket)
        expect(after).toMatchObject({ resumed: false, code: 0 })
      },
      { timeout: 5_000, interval: 100 },
    )
  })
})

test('OpenSSL takes a session from one node to the other', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'muster-tickets-'))
  const at = (name: string) => join(directory, name)
  const { key, cert } = await muster.addDevice('openssl')
  await Promise.all([writeFile(at('key'), key), writeFile(at('crt'), cert)])
  const dial = async (port: number, ...more: string[]) => {
    const args = [
      's_client',
      '-connect',
      `127.0.0.1:${port}`,
      '-cert',
      at('crt'),
      '-key',
      at('key'),
      '-tls1_2',
      ...more,
    ]
    const dialled = run('openssl', args)
    dialled.child.stdin?.end()
    return (await dialled).stdout
  }
  expect(await dial(muster.broker.mqttPort, '-sess_out', at('session'))).toContain('New, TLSv1.2')
  expect(await dial(second.mqttPort, '-sess_in', at('session'))).toContain('Reused, TLSv1.2')
  await rm(directory, { recursive: true })
})

test('periods end: a ticket resumes in the next one, and in none after', async () => {
  const ticketPeriodMs = 3_000
  await using other = await startTestBroker({ limits: { pollMs: 50, ticketPeriodMs } })
  await allShared(['broker-1'], other)
  const device = await other.addDevice('patient')
  const dial = (ticket?: Buffer) => attempt(other.broker.mqttPort, device, 'TLSv1.3', ticket, other)
  const periodNow = () => Math.floor(Date.now() / ticketPeriodMs)
  const reached = (period: number) =>
    vi.waitFor(() => expect(periodNow()).toBeGreaterThanOrEqual(period), { timeout: 2 * ticketPeriodMs })
  // At its beginning, so that the test ends before the session itself does.
  await reached(periodNow() + 1)
  const period = periodNow()
  const { ticket } = await dial()
  await reached(period + 1)
  expect(await dial(ticket)).toMatchObject({ resumed: periodNow() === period + 1, code: 0 })
  await reached(period + 2)
  expect(await dial(ticket)).toMatchObject({ resumed: false, code: 0 })
})

describe('nodes', () => {
  test('that start at once agree on one key a period', async () => {
    await using other = await startTestBroker({ limits: { pollMs: 50 } })
    const names = Array.from({ length: 4 }, (_, index) => `node-${index}`)
    const nodes = await Promise.all(names.map((name) => other.startNode(name)))
    await allShared(['broker-1', ...names], other)
    const { rows } = await other.db.$client.query('select period from ticket_keys')
    expect(new Set(rows.map(({ period }) => period)).size).toBe(rows.length)
    const device = await other.addDevice('rover')
    const { ticket } = await attempt(other.broker.mqttPort, device, 'TLSv1.3', undefined, other)
    for (const { mqttPort } of nodes)
      await vi.waitFor(
        async () => {
          const there = await attempt(mqttPort, device, 'TLSv1.3', ticket, other)
          expect(there).toMatchObject({ resumed: true, code: 0 })
        },
        { timeout: 5_000, interval: 100 },
      )
    for (const node of nodes) await node[Symbol.asyncDispose]()
  })

  test('that come later, or again, are given the key by those that have it', async () => {
    const keysBefore = await muster.db.$client.query('select id from ticket_keys order by period')
    const third = await muster.startNode('broker-3')
    await allShared(['broker-1', 'broker-2', 'broker-3'])
    const device = await muster.addDevice('latecomer')
    const { ticket } = await attempt(muster.broker.mqttPort, device, 'TLSv1.3')
    const resumed = () =>
      vi.waitFor(
        async () => expect(await attempt(third.mqttPort, device, 'TLSv1.3', ticket)).toMatchObject({ resumed: true }),
        { timeout: 5_000, interval: 100 },
      )
    await resumed()
    expect((await muster.db.$client.query('select id from ticket_keys order by period')).rows).toEqual(keysBefore.rows)
    await third[Symbol.asyncDispose]()
  })

  test('that are shut out take the keys they know with them', async () => {
    const third = await muster.startNode('broker-4')
    await vi.waitFor(async () => {
      const { rows } = await muster.db.$client.query("select key from ticket_shares where node = 'broker-4'")
      expect(rows.length).toBeGreaterThanOrEqual(2)
    }, 5_000)
    const device = await muster.addDevice('witness')
    const { ticket } = await attempt(muster.broker.mqttPort, device, 'TLSv1.3')
    await muster.db.$client.query("update devices set state = 'revoked' where fleet = 'muster' and id = 'broker-4'")
    await vi.waitFor(
      async () => {
        const { rows } = await muster.db.$client.query(
          `select 1 from ticket_keys k join ticket_shares s on s.key = k.id where s.node = 'broker-4'`,
        )
        expect(rows).toEqual([])
        const again = await attempt(muster.broker.mqttPort, device, 'TLSv1.3', ticket)
        expect(again).toMatchObject({ resumed: false, code: 0 })
      },
      { timeout: 10_000, interval: 100 },
    )
    await third[Symbol.asyncDispose]()
  })

  test('believe no key that the database was given by somebody else', async () => {
    await muster.db.$client.query("update ticket_shares set sealed = decode(repeat('00', 60), 'hex')")
    await muster.db.$client.query("insert into ticket_members values ('broker-9', '\\x00', 'none', '\\x00', now())")
    const { rows } = await muster.db.$client.query<{ id: string }>('select id from ticket_keys')
    // A node that comes now finds nothing it can open, and everybody goes on serving.
    const third = await muster.startNode('broker-5')
    const device = await muster.addDevice('sceptic')
    expect(await attempt(third.mqttPort, device, 'TLSv1.3')).toMatchObject({ resumed: false, code: 0 })
    expect(rows.length).toBeGreaterThan(0)
    await third[Symbol.asyncDispose]()
  })
})

test('nothing that is in the database opens a ticket', async () => {
  const { rows } = await muster.db.$client.query<{ text: string }>(
    `select encode(sealed, 'hex') as text from ticket_shares union all select id from ticket_keys
     union all select encode(public_key, 'hex') from ticket_members`,
  )
  expect(rows.length).toBeGreaterThan(0)
  expect(JSON.stringify(rows)).not.toMatch(/PRIVATE/)
})
