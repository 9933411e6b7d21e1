import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { openTestDb, type TestDb } from '@muster/db/testing'
import { type DeviceStore, enrol, loadCredentials, memoryStore } from '@muster/device'
import { connectAsync, type IClientOptions, type MqttClient } from 'mqtt'
import { type Answer, type CallOptions, call } from './http.ts'
import { freePorts, type RunningProcess, root, startProcess } from './process.ts'
import { waitFor } from './wait.ts'

type Role = 'provisioner' | 'broker'

export interface EnrolledDevice {
  id: string
  claim: string
  store: DeviceStore
  /** PEM: the private key, and the certificate with its chain. */
  credentials: { key: string; cert: string }
  /** One attempt, MQTT 5 unless told otherwise. */
  connect(options?: Partial<IClientOptions>): Promise<MqttClient>
}

/** The whole platform: real processes, a database of its own, free ports, a data directory that is removed at the end. */
export interface Stack extends AsyncDisposable {
  data: string
  ports: { api: number; pki: number; mqtt: number; provisionerMetrics: number; brokerMetrics: number }
  ca: string
  token: string
  /** As the broker logs in. */
  brokerDatabase: string
  /** The database as its owner, for looking into tables. */
  query(sql: string, values?: unknown[]): Promise<{ rows: Record<string, unknown>[] }>
  /** As the operator; throws nothing, the test looks at the status. */
  api(path: string, options?: Partial<CallOptions>): Promise<Answer>
  createClaim(request?: Record<string, unknown>): Promise<string>
  enrolDevice(id: string, claim?: Record<string, unknown>): Promise<EnrolledDevice>
  /** With `extra` in its environment, until it is started with something else. */
  start(role: Role, extra?: NodeJS.ProcessEnv): Promise<RunningProcess>
  process(role: Role): RunningProcess
  /** A further broker node, with a claim, a store and ports of its own; ends with the stack. */
  addBroker(node: string, extra?: NodeJS.ProcessEnv): Promise<{ mqtt: number; metrics: number; child: RunningProcess }>
  /** SIGKILL, then a new process on the same ports. */
  crash(role: Role): Promise<void>
}

export async function startStack(
  options: { database?: TestDb /** As `start` takes it. */; extra?: Partial<Record<Role, NodeJS.ProcessEnv>> } = {},
): Promise<Stack> {
  const database = options.database ?? (await openTestDb())
  const data = await mkdtemp(join(tmpdir(), 'muster-e2e-'))
  const [api = 0, pki = 0, mqtt = 0, provisionerMetrics = 0, brokerMetrics = 0] = await freePorts(5)
  const ports = { api, pki, mqtt, provisionerMetrics, brokerMetrics }
  const processes = new Map<Role, RunningProcess>()
  const further: RunningProcess[] = []
  const extras = new Map(Object.entries(options.extra ?? {}) as [Role, NodeJS.ProcessEnv][])
  const claimFile = join(data, 'broker.claim')

  const env = (role: Role): NodeJS.ProcessEnv => ({
    PATH: process.env.PATH,
    // As ./muster sets it: these processes are started often.
    NODE_COMPILE_CACHE: join(root, 'node_modules/.cache/compiled'),
    MUSTER_DATA: data,
    MUSTER_HOST: '127.0.0.1',
    MUSTER_API_PORT: String(api),
    MUSTER_PKI_PORT: String(pki),
    MUSTER_MQTT_PORT: String(mqtt),
    MUSTER_LOG_LEVEL: 'info',
    ...(role === 'provisioner'
      ? {
          MUSTER_PROVISIONER_METRICS_PORT: String(provisionerMetrics),
          MUSTER_DATABASE_URL: database.as('muster_provisioner'),
        }
      : {
          OPENSSL_CONF: join(root, 'packages/broker/openssl.cnf'),
          MUSTER_BROKER_METRICS_PORT: String(brokerMetrics),
          MUSTER_DATABASE_URL: database.as('muster_broker'),
          MUSTER_API_URL: `https://localhost:${api}`,
          MUSTER_CLAIM_FILE: claimFile,
        }),
  })

  const metricsOf = (role: Role) => (role === 'provisioner' ? provisionerMetrics : brokerMetrics)
  const entryOf = (role: Role) => join(root, 'packages', role, 'src/main.ts')
  const ready = async (role: Role, child: RunningProcess, port = metricsOf(role)) => {
    await waitFor(
      `${role} ready`,
      async () => {
        if (child.child.exitCode !== null) return 'ended'
        return (await fetch(`http://127.0.0.1:${port}/readyz`)).ok
      },
      { timeoutMs: 100_000 },
    )
    if (child.child.exitCode !== null) throw new Error(`${role} ended:\n${child.output()}`)
  }

  const stack: Stack = {
    data,
    ports,
    ca: '',
    token: '',
    brokerDatabase: database.as('muster_broker'),
    query: (sql, values) => database.db.$client.query(sql, values),
    api: (path, options = {}) => call({ port: api, ca: stack.ca, token: stack.token, path, ...options }),
    async createClaim(request = {}) {
      const answer = await stack.api('/v1/claims', { body: request })
      if (answer.status !== 201) throw new Error(`no claim: ${answer.text}`)
      return answer.json.claim
    },
    async enrolDevice(id, request = {}) {
      const claim = await stack.createClaim({ device: id, ...request })
      const store = memoryStore()
      await enrol({ url: `https://localhost:${api}`, claim, store })
      const { key, certificate, roots } = await loadCredentials(store)
      const credentials = { key: key.export({ type: 'pkcs8', format: 'pem' }).toString(), cert: certificate }
      // Not the SDK's connect(): it tries again by itself, and these tests look at single attempts.
      const connect = (options: Partial<IClientOptions> = {}) => {
        const settings = { protocolVersion: 5, reconnectPeriod: 0, connectTimeout: 30_000, ...options } as const
        const identity = { ...credentials, ca: roots, clientId: id }
        // A connection that is closed without an answer fails too.
        return connectAsync(`mqtts://localhost:${mqtt}`, { ...identity, ...settings }, settings.reconnectPeriod > 0)
      }
      return { id, claim, store, credentials, connect }
    },
    async start(role, extra = extras.get(role) ?? {}) {
      extras.set(role, extra)
      const child = startProcess(process.execPath, [entryOf(role)], { env: { ...env(role), ...extra }, ipc: true })
      processes.set(role, child)
      await ready(role, child)
      return child
    },
    async addBroker(node, extra = {}) {
      const [port = 0, metrics = 0] = await freePorts(2)
      const claim = await stack.createClaim({ fleet: 'muster', group: 'brokers', profile: 'server', device: node })
      const ports = { MUSTER_MQTT_PORT: String(port), MUSTER_BROKER_METRICS_PORT: String(metrics) }
      const own = {
        ...env('broker'),
        ...ports,
        MUSTER_NODE: node,
        MUSTER_CLAIM: claim,
        MUSTER_CLAIM_FILE: '',
        ...extra,
      }
      const child = startProcess(process.execPath, [entryOf('broker')], { env: own, ipc: true })
      further.push(child)
      await ready('broker', child, metrics)
      return { mqtt: port, metrics, child }
    },
    process(role) {
      const child = processes.get(role)
      if (!child) throw new Error(`${role} was not started`)
      return child
    },
    async crash(role) {
      await stack.process(role).kill()
      await stack.start(role)
    },
    async [Symbol.asyncDispose]() {
      for (const child of further) await child[Symbol.asyncDispose]()
      await processes.get('broker')?.[Symbol.asyncDispose]()
      await processes.get('provisioner')?.[Symbol.asyncDispose]()
      await database[Symbol.asyncDispose]()
      await rm(data, { recursive: true, force: true })
    },
  }

  try {
    await stack.start('provisioner')
    stack.ca = await readFile(join(data, 'ca/root.crt'), 'utf8')
    stack.token = (await readFile(join(data, 'operator-token'), 'utf8')).trim()
    const claim = await stack.createClaim({ fleet: 'muster', group: 'brokers', profile: 'server', device: 'broker-1' })
    await writeFile(claimFile, claim, { mode: 0o600 })
    await stack.start('broker')
    return stack
  } catch (error) {
    await stack[Symbol.asyncDispose]()
    throw error
  }
}
