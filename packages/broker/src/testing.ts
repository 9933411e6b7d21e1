import { type EventEmitter, once } from 'node:events'
import { type ConnectionOptions, connect as connectTls, type TLSSocket } from 'node:tls'
import { type ProfileName, platformFleet } from '@muster/contracts'
import { certificates, changes, type Db, devices, fleets, issuers, openDb, receipts } from '@muster/db'
import { openTestDb } from '@muster/db/testing'
import { createTestCa, poolKey, type TestCa, type TestIssueOptions } from '@muster/pki/testing'
import { and, eq, sql } from 'drizzle-orm'
import mqtt, { type IClientOptions, type MqttClient } from 'mqtt'
import { generate, type IConnectPacket, type Packet, parser } from 'mqtt-packet'
import pg from 'pg'
import { pino } from 'pino'
import { vi } from 'vitest'
import { type Broker, type BrokerSettings, startBroker } from './broker.ts'
import { defaultLimits, type Limits } from './limits.ts'

export interface TestDevice {
  id: string
  serial: string
  /** PEM */
  key: string
  cert: string
}

export interface AddDeviceOptions extends TestIssueOptions {
  fleet?: string
  group?: string
  profile?: ProfileName
  ca?: TestCa
  /** Not in the registry. */
  unknown?: boolean
  keyIndex?: number
}

/** A broker over real sockets, with a database and a CA of its own. */
export interface TestBroker extends AsyncDisposable {
  db: Db
  ca: TestCa
  broker: Broker
  settings: BrokerSettings
  addDevice(id: string, options?: AddDeviceOptions): Promise<TestDevice>
  openTls(device: Partial<TestDevice>, options?: ConnectionOptions): Promise<TLSSocket>
  connect(device: TestDevice, options?: IClientOptions): Promise<MqttClient>
  /** As an operator's revocation does: state, certificates, change and notification in one transaction. */
  change(device: TestDevice, kind: 'revoke' | 'suspend' | 'resume' | 'retire'): Promise<string>
  /** This node's word on a change, once it is given. */
  receipt(seq: string, node?: string): Promise<{ connectionsClosed: number; sessionPurged: boolean }>
  refusals(id: string): Promise<string[]>
  /** For what no role of Muster may do. */
  asSuperuser(statement: string): Promise<void>
  /** After `broker` was disposed of. */
  start(): Promise<void>
}

export async function startTestBroker(changed: { limits?: Partial<Limits>; node?: string } = {}): Promise<TestBroker> {
  const now = () => new Date()
  const testDb = await openTestDb()
  const { db } = testDb
  const ca = await createTestCa()
  let keys = 1

  const pem = (der: Buffer) => `-----BEGIN CERTIFICATE-----\n${der.toString('base64')}\n-----END CERTIFICATE-----\n`
  const addFleet = (name: string) => db.insert(fleets).values({ name, createdAt: now() }).onConflictDoNothing()

  const addDevice: TestBroker['addDevice'] = async (id, options = {}) => {
    const { fleet = 'default', group = 'default', profile = 'device', keyIndex = keys++ } = options
    const privateKey = await poolKey('p256', keyIndex)
    const identity = { fleet, group, device: id, profile }
    const issued = await (options.ca ?? ca).issue(identity, privateKey, options)
    const key = privateKey.export({ type: 'pkcs8', format: 'pem' }).toString()
    const device = { id, serial: issued.serial, key, cert: issued.pem + pem(ca.issuer.certificate.raw) }
    if (options.unknown) return device
    await addFleet(fleet)
    const { keyFingerprint, serial, fingerprint, der, notBefore, notAfter } = issued
    const policy = profile === 'service' ? 'service' : 'device'
    await db
      .insert(devices)
      .values({ fleet, id, group, policy, profile, state: 'active', keyFingerprint, enrolledAt: now(), stateAt: now() })
      .onConflictDoUpdate({ target: [devices.fleet, devices.id], set: { state: 'active', keyFingerprint } })
    const validity = { notBefore, notAfter }
    // A device has one certificate in use.
    const before = and(eq(certificates.fleet, fleet), eq(certificates.device, id), eq(certificates.state, 'active'))
    await db.update(certificates).set({ state: 'superseded' }).where(before)
    await db.insert(certificates).values({
      ...{ serial, fleet, device: id, issuer: 'issuing-1', fingerprint, keyFingerprint, der, state: 'active' },
      ...validity,
    })
    return device
  }

  for (const [name, certificate] of [['root', ca.root] as const, ['issuing-1', ca.issuer.certificate] as const]) {
    const fingerprint = certificate.fingerprint256.replaceAll(':', '').toLowerCase()
    const notAfter = new Date(certificate.validTo)
    await db.insert(issuers).values({
      ...{ name, kind: name === 'root' ? 'root' : 'issuing', der: certificate.raw, fingerprint, notAfter },
      createdAt: now(),
    })
  }
  const serverKey = await poolKey('p256', 0)
  const server = await ca.issue(
    { fleet: platformFleet, group: 'brokers', device: 'broker-1', profile: 'server' },
    serverKey,
    { hosts: ['localhost'] },
  )
  const settings: BrokerSettings = {
    node: changed.node ?? 'broker-1',
    host: '127.0.0.1',
    mqttPort: 0,
    metricsPort: 0,
    trustDomain: ca.trustDomain,
    databaseUrl: testDb.as('muster_broker'),
    credentials: {
      key: serverKey,
      certificate: server.pem + pem(ca.issuer.certificate.raw),
      roots: ca.root.toString(),
    },
    limits: { ...defaultLimits, ...changed.limits },
  }
  const brokerDb = await openDb({ url: settings.databaseUrl, role: 'muster_broker' })
  const log = pino({ level: process.env.MUSTER_TEST_LOG ?? 'silent' })
  const start = () => startBroker({ settings, db: brokerDb, log, now })

  const test: TestBroker = {
    db,
    ca,
    settings,
    addDevice,
    broker: await start(),

    async openTls({ key, cert }, options = {}) {
      const socket = connectTls({
        host: '127.0.0.1',
        servername: 'localhost',
        port: test.broker.mqttPort,
        ca: ca.root.toString(),
        ...(key && cert ? { key, cert } : {}),
        ...options,
      })
      socket.on('error', () => {})
      await once(socket, 'secureConnect')
      return socket
    },

    connect: ({ id, key, cert }, options = {}) =>
      mqtt.connectAsync(`mqtts://localhost:${test.broker.mqttPort}`, {
        ca: ca.root.toString(),
        key,
        cert,
        clientId: id,
        reconnectPeriod: 0,
        ...options,
      }),

    change: (device, kind) =>
      db.transaction(async (tx) => {
        const states = { revoke: 'revoked', suspend: 'suspended', resume: 'active', retire: 'retired' } as const
        const [row] = await tx.select().from(certificates).where(eq(certificates.serial, device.serial))
        const { fleet = 'default' } = row ?? {}
        await tx
          .update(devices)
          .set({ state: states[kind] })
          .where(sql`${devices.fleet} = ${fleet} and ${devices.id} = ${device.id}`)
        if (kind === 'revoke' || kind === 'retire')
          await tx
            .update(certificates)
            .set({ state: 'revoked', revokedAt: now() })
            .where(eq(certificates.serial, device.serial))
        const [change] = await tx
          .insert(changes)
          .values({ kind, fleet, device: device.id, at: now() })
          .returning({ seq: changes.seq })
        const seq = String(change?.seq)
        await tx.execute(sql`select pg_notify('muster_changes', ${seq})`)
        return seq
      }),

    receipt: (seq, node = settings.node) =>
      vi.waitFor(
        async () => {
          const mine = and(eq(receipts.change, Number(seq)), eq(receipts.node, node))
          const [receipt] = await db.select().from(receipts).where(mine)
          if (!receipt) throw new Error('no receipt yet')
          return receipt
        },
        { timeout: 10_000, interval: 10 },
      ),

    async refusals(id) {
      const { rows } = await db.execute<{ code: string }>(sql`select code from refusals where device = ${id}`)
      return rows.map(({ code }) => code)
    },

    async asSuperuser(statement) {
      const client = new pg.Client({ connectionString: testDb.as('postgres') })
      await client.connect()
      await client.query(statement)
      await client.end()
    },

    async start() {
      test.broker = await start()
    },

    async [Symbol.asyncDispose]() {
      await test.broker[Symbol.asyncDispose]()
      await brokerDb[Symbol.asyncDispose]()
      await testDb[Symbol.asyncDispose]()
    },
  }
  return test
}

/** The first value of the next event of that name. */
export function nextEvent(emitter: unknown, event: string): Promise<unknown> {
  return once(emitter as EventEmitter, event).then(([value]) => value)
}

/** Resolves when somebody waits for the lock on `table`. */
export async function someoneWaitsFor(db: Db, table: string): Promise<void> {
  await vi.waitFor(async () => {
    const { rows } = await db.execute(
      sql`select from pg_locks where not granted and relation = ${table}::regclass
        and database = (select oid from pg_database where datname = current_database())`,
    )
    if (rows.length === 0) throw new Error('nobody yet')
  }, 5_000)
}

/** Runs `work` while another transaction holds `table` for itself. */
export async function whileLocked(db: Db, table: string, work: () => Promise<void>): Promise<void> {
  await db.transaction(async (tx) => {
    await tx.execute(sql.raw(`lock table ${table} in access exclusive mode`))
    await work()
  })
}

/** Sends packets and collects what comes back, with no client library in between. */
export function rawClient(socket: TLSSocket, protocolVersion: 4 | 5 = 4) {
  const received: Packet[] = []
  const closed = new Promise<void>((resolve) => socket.once('close', () => resolve()))
  const find = (cmd: Packet['cmd']) => received.filter((packet) => packet.cmd === cmd)
  const packets = parser({ protocolVersion })
  packets.on('packet', (packet) => received.push(packet))
  socket.on('data', (chunk) => packets.parse(chunk))
  return {
    received,
    find,
    closed,
    next: (cmd: Packet['cmd'], count = 1) =>
      vi.waitFor(() => {
        const packet = find(cmd)[count - 1]
        if (!packet) throw new Error(`no ${cmd} yet`)
        return packet
      }, 5_000),
    send: (packet: Packet) => socket.write(generate(packet, { protocolVersion })),
    connect: (clientId: string, options: Partial<IConnectPacket> = {}) =>
      socket.write(
        generate({
          ...{ cmd: 'connect', protocolId: 'MQTT', protocolVersion, clean: true, keepalive: 30, clientId },
          ...options,
        }),
      ),
  }
}
