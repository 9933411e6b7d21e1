import { createPrivateKey } from 'node:crypto'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type ConnectionOptions, connect as connectTls, type TLSSocket } from 'node:tls'
import { platformFleet } from '@muster/contracts'
import { type Db, openDb } from '@muster/db'
import { type DatabaseGate, openTestDb } from '@muster/db/testing'
import { createTestCa, poolKey, type TestCa } from '@muster/pki/testing'
import mqtt, { type IClientOptions, type MqttClient } from 'mqtt'
import pg from 'pg'
import { pino } from 'pino'
import { loadSnapshot } from '../admission/load-snapshot.ts'
import { type Broker, type BrokerSettings, startBroker } from '../broker.ts'
import { openClock } from '../contact/clock.ts'
import { defaultLimits, type Limits } from '../limits.ts'
import type { UseCredentials } from '../server-renewal.ts'

import { createTestRegistry, type TestDevice, type TestRegistry } from './registry.ts'

/** A broker over real sockets, with a database and a CA of its own. */
export interface TestBroker extends TestRegistry, AsyncDisposable {
  db: Db
  ca: TestCa
  /** As the broker's own role. */
  databaseUrl: string
  broker: Broker
  openTls(device: Partial<TestDevice>, options?: ConnectionOptions & { localAddress?: string }): Promise<TLSSocket>
  connect(device: TestDevice, options?: IClientOptions): Promise<MqttClient>
  sessionsPath: string
  /** For what no role of Muster may do. */
  asSuperuser(statement: string): Promise<void>
  /** After `broker` was disposed of. */
  start(): Promise<void>
  /** A further one on the same registry. */
  startNode(name: string): Promise<Broker>
  /** What the node does when its own certificate has been renewed. */
  useCredentials: UseCredentials
}

const node = 'broker-1'

export interface TestBrokerOptions {
  limits?: Partial<Limits>
  proxyFrom?: string[]
  websocketPort?: number
  websocketOrigins?: string[]
  /** In the certificates of its CA. */
  urls?: NonNullable<TestCa['issuer']['urls']>
  /** Between the broker and its database. */
  gate?: DatabaseGate
  /** What it keeps is in there. */
  disk?: string
}

export async function startTestBroker({
  limits = {},
  urls = {},
  gate,
  disk = tmpdir(),
  ...options
}: TestBrokerOptions = {}): Promise<TestBroker> {
  const testDb = await openTestDb()
  const { db } = testDb
  const ca = await createTestCa()
  ca.issuer.urls = urls
  const registry = createTestRegistry(db, ca)
  await registry.addIssuers()
  const direct = testDb.as('muster_broker')
  const databaseUrl = gate?.urlOf(direct) ?? direct
  const brokerDb = await openDb({ url: databaseUrl, role: 'muster_broker', patienceMs: 5_000 })
  const data = await mkdtemp(join(disk, 'muster-broker-'))
  const settings = {
    ...{ sessionsPath: join(data, node, 'sessions'), sessionsSync: true },
    ...{ node, host: '127.0.0.1', mqttPort: 0, metricsPort: 0, trustDomain: ca.trustDomain, databaseUrl },
    ...options,
    limits: { ...defaultLimits, ...limits },
    credentials: await enrolNode(registry, ca, node),
  }
  const log = pino({ level: 'silent' })
  const now = () => new Date()
  const clock = openClock()
  const { freshnessMs } = settings.limits
  const startNode = async (name: string, own: Partial<BrokerSettings> = {}): Promise<Broker> => {
    const onError = (error: unknown) => console.error(error)
    await using opening = new AsyncDisposableStack()
    const snapshot = opening.use(await loadSnapshot({ directory: join(data, name), clock, freshnessMs, onError }))
    const deps = { db: brokerDb, log, now, clock, snapshot }
    const broker = opening.use(
      await startBroker({
        settings: { ...settings, ...own, node: name, sessionsPath: join(data, name, 'sessions') },
        ...deps,
      }),
    )
    const opened = opening.move()
    return { ...broker, [Symbol.asyncDispose]: () => opened.disposeAsync() }
  }
  let useCredentials: UseCredentials = async () => {}
  const keepRenewed = (use: UseCredentials) => {
    useCredentials = use
    return { hurry() {}, async [Symbol.asyncDispose]() {} }
  }
  const start = () => startNode(node, { keepRenewed })
  const roots = ca.root.toString()

  const test: TestBroker = {
    ...registry,
    db,
    ca,
    databaseUrl,
    sessionsPath: settings.sessionsPath,
    broker: await start(),

    async openTls({ key, cert }, options = {}) {
      const port = test.broker.mqttPort
      const own = key && cert ? { key, cert } : {}
      const socket = connectTls({ host: '127.0.0.1', servername: 'localhost', port, ca: roots, ...own, ...options })
      socket.on('error', () => {})
      await once(socket, 'secureConnect')
      return socket
    },

    connect({ id, key, cert }, options = {}) {
      const url = `mqtts://localhost:${test.broker.mqttPort}`
      const settings = { ca: roots, key, cert, clientId: id, reconnectPeriod: 0, ...options }
      // Whoever is not answered either is told, instead of waiting for ever.
      return mqtt.connectAsync(url, settings, settings.reconnectPeriod > 0)
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

    startNode: async (name) => startNode(name, { credentials: await enrolNode(registry, ca, name) }),
    useCredentials: (credentials) => useCredentials(credentials),

    async [Symbol.asyncDispose]() {
      await test.broker[Symbol.asyncDispose]()
      await brokerDb[Symbol.asyncDispose]()
      await testDb[Symbol.asyncDispose]()
      await rm(data, { recursive: true, force: true })
    },
  }
  return test
}

/** As the provisioner does it: the registry knows the node and its certificate. */
async function enrolNode(registry: TestRegistry, ca: TestCa, name: string) {
  const enrolment = { fleet: platformFleet, group: 'brokers', profile: 'server', hosts: ['localhost'] } as const
  const { key, cert } = await registry.addDevice(name, enrolment)
  return { key: createPrivateKey(key), certificate: cert, roots: ca.root.toString() }
}

/** Not in the registry. */
export async function issueServerCredentials(ca: TestCa) {
  const key = await poolKey('p256', 0)
  const identity = { fleet: platformFleet, group: 'brokers', device: node, profile: 'server' } as const
  const { pem } = await ca.issue(identity, key, { hosts: ['localhost'] })
  return { key, certificate: pem + ca.issuer.certificate, roots: ca.root.toString() }
}
