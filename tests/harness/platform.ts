import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { Agent, request } from 'node:https'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Policy } from '@muster/contracts'
import { openDb } from '@muster/db'
import { openEmbeddedPostgres } from '@muster/db/embedded'
import { migrateDb } from '@muster/db/migrate'
import type { Identity } from '@muster/device-sim/load'
import { createCsr, generateKey } from '@muster/pki'
import { call } from './http.ts'
import { freePorts, type RunningProcess, root, startProcess } from './process.ts'
import { waitFor } from './wait.ts'

export interface PlatformNode {
  name: string
  pid: number
  port: number
  metricsPort: number
  running: RunningProcess
}

/** The platform outside of a test run: its own database and processes, for benchmarks and for suites of others. */
export interface Platform extends AsyncDisposable {
  data: string
  apiPort: number
  ca: string
  /** Process ids, for their CPU. */
  pids: { postmaster: number; provisioner: number }
  nodes: PlatformNode[]
  query(sql: string, values?: unknown[]): Promise<{ rows: Record<string, unknown>[] }>
  /** As the operator. @throws where the status is not a good one */
  // biome-ignore lint/suspicious/noExplicitAny: answers that only the server's own schema describes
  api(path: string, body?: unknown): Promise<any>
  createPolicy(policy: Policy): Promise<void>
  /** Over few connections, so that thousands take seconds. */
  enrol(ids: readonly string[], claim?: Record<string, unknown>): Promise<Identity[]>
  addNode(name: string): Promise<PlatformNode>
}

export interface PlatformOptions {
  /** Arguments for Node in the processes. */
  provisionerArgs?: string[]
  brokerArgs?: string[]
  brokerEnv?: NodeJS.ProcessEnv
}

export async function startPlatform(options: PlatformOptions = {}): Promise<Platform> {
  await using opened = new AsyncDisposableStack()
  // Nodes that are added later end with the platform too.
  let processes: AsyncDisposableStack = opened
  const data = await mkdtemp(join(tmpdir(), 'muster-platform-'))
  opened.defer(() => rm(data, { recursive: true, force: true }))
  const cluster = opened.use(await openEmbeddedPostgres({ directory: join(data, 'pg'), maxConnections: 200 }))
  await migrateDb(cluster.url('muster_owner'))
  const db = opened.use(await openDb({ url: cluster.url('muster_owner') }))
  const [apiPort = 0, pkiPort = 0, metrics = 0] = await freePorts(3)
  const shared = {
    PATH: process.env.PATH,
    NODE_COMPILE_CACHE: join(root, 'node_modules/.cache/compiled'),
    MUSTER_DATA: data,
    MUSTER_HOST: '127.0.0.1',
    MUSTER_LOG_LEVEL: 'warn',
  }
  const provisioner = opened.use(
    startProcess(process.execPath, [...(options.provisionerArgs ?? []), entryOf('provisioner')], {
      env: {
        ...shared,
        MUSTER_API_PORT: String(apiPort),
        MUSTER_PKI_PORT: String(pkiPort),
        MUSTER_PROVISIONER_METRICS_PORT: String(metrics),
        MUSTER_DATABASE_URL: cluster.url('muster_provisioner'),
      },
      ipc: true,
    }),
  )
  await ready(provisioner, metrics)
  const ca = await readFile(join(data, 'ca/root.crt'), 'utf8')
  const token = (await readFile(join(data, 'operator-token'), 'utf8')).trim()

  const platform: Omit<Platform, typeof Symbol.asyncDispose> = {
    ...{ data, apiPort, ca, nodes: [] },
    pids: { postmaster: cluster.pid, provisioner: provisioner.child.pid ?? 0 },
    query: (sql, values) => db.$client.query(sql, values),
    async api(path, body) {
      const answer = await call({ port: apiPort, ca, token, path, ...(body === undefined ? {} : { body }) })
      if (answer.status >= 300) throw new Error(`${path}: ${answer.text}`)
      return answer.json
    },
    async createPolicy({ name, ...document }) {
      const options = {
        port: apiPort,
        ca,
        token,
        method: 'PUT',
        path: `/v1/policies/${name}`,
        body: { name, ...document },
      }
      const answer = await call(options)
      if (answer.status >= 300) throw new Error(`policy ${name}: ${answer.text}`)
    },
    async enrol(ids, claim = {}) {
      const { claim: secret } = await platform.api('/v1/claims', { uses: ids.length, ...claim })
      return enrolAll(ids, { port: apiPort, ca, claim: secret })
    },
    async addNode(name) {
      const [port = 0, metricsPort = 0] = await freePorts(2)
      const claim = { fleet: 'muster', group: 'brokers', profile: 'server', device: name }
      const claimFile = join(data, `${name}.claim`)
      await writeFile(claimFile, (await platform.api('/v1/claims', claim)).claim, { mode: 0o600 })
      const env = {
        ...shared,
        OPENSSL_CONF: join(root, 'packages/broker/openssl.cnf'),
        MUSTER_NODE: name,
        MUSTER_MQTT_PORT: String(port),
        MUSTER_BROKER_METRICS_PORT: String(metricsPort),
        MUSTER_DATABASE_URL: cluster.url('muster_broker'),
        MUSTER_API_URL: `https://localhost:${apiPort}`,
        MUSTER_CLAIM_FILE: claimFile,
        ...options.brokerEnv,
      }
      const args = [...(options.brokerArgs ?? []), entryOf('broker')]
      const running = processes.use(startProcess(process.execPath, args, { env, ipc: true }))
      await ready(running, metricsPort)
      const node = { name, pid: running.child.pid ?? 0, port, metricsPort, running }
      platform.nodes.push(node)
      return node
    },
  }
  await platform.addNode('broker-1')
  processes = opened.move()
  return Object.assign(platform, { [Symbol.asyncDispose]: () => processes.disposeAsync() })
}

const entryOf = (role: 'provisioner' | 'broker') => join(root, 'packages', role, 'src/main.ts')

async function ready(running: RunningProcess, port: number): Promise<void> {
  const look = async () => running.child.exitCode !== null || (await fetch(`http://127.0.0.1:${port}/readyz`)).ok
  await waitFor('ready', look, { timeoutMs: 100_000 })
  if (running.child.exitCode !== null) throw new Error(`ended:\n${running.output()}`)
}

async function enrolAll(ids: readonly string[], { port, ca, claim }: { port: number; ca: string; claim: string }) {
  const agent = new Agent({ keepAlive: true, maxSockets: 8, ca })
  const identities: Identity[] = []
  const left = ids.entries()
  const enrolOne = async ([index, id]: [number, string]) => {
    const key = await generateKey()
    const body = JSON.stringify({ claim, csr: createCsr(key).toString('base64'), device: id })
    const { certificate, chain } = await post(agent, port, '/v1/enrol', body)
    identities[index] = { id, key: key.export({ type: 'pkcs8', format: 'pem' }).toString(), cert: certificate + chain }
  }
  await Promise.all(
    Array.from({ length: 8 }, async () => {
      for (const entry of left) await enrolOne(entry)
    }),
  )
  agent.destroy()
  return identities
}

function post(agent: Agent, port: number, path: string, body: string): Promise<{ certificate: string; chain: string }> {
  return new Promise((resolve, reject) => {
    const headers = { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) }
    const outgoing = request({ host: 'localhost', port, path, method: 'POST', agent, headers }, (incoming) => {
      let text = ''
      incoming.setEncoding('utf8').on('data', (piece: string) => {
        text += piece
      })
      incoming.on('error', reject)
      incoming.on('end', () => {
        if (incoming.statusCode === 201) resolve(JSON.parse(text))
        else reject(new Error(`${path}: ${incoming.statusCode} ${text}`))
      })
    })
    outgoing.on('error', reject)
    outgoing.end(body)
  })
}
