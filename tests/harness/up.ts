import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Answer, call } from './http.ts'
import { freePorts, root, startProcess } from './process.ts'

export interface Up extends AsyncDisposable {
  readonly directory: string
  readonly ports: { api: number; mqtt: number; provisionerMetrics: number; brokerMetrics: number }
  readonly ca: string
  /** Of the provisioner. */
  readonly url: string
  /** As the operator. @throws where the API refuses */
  ask(path: string, body?: unknown): Promise<Answer>
}

/** A database that had to be ended by force writes on for a moment. */
export const removal = { recursive: true, force: true, maxRetries: 20, retryDelay: 250 }

interface UpOptions {
  /** One that there is, and that stays; without, one that goes with it. */
  directory?: string
  env?: Record<string, string>
}

/** `./muster up` on ports of its own, ready. */
export async function startUp({ directory: kept, env = {} }: UpOptions = {}): Promise<Up> {
  const [api = 0, pki = 0, mqtt = 0, provisionerMetrics = 0, brokerMetrics = 0] = await freePorts(5)
  await using opened = new AsyncDisposableStack()
  const directory = kept ?? (await mkdtemp(join(tmpdir(), 'muster-up-')))
  if (kept === undefined) opened.defer(() => rm(directory, removal))
  const running = opened.use(
    startProcess(join(root, 'muster'), ['up'], {
      env: {
        PATH: process.env.PATH,
        MUSTER_DATA: directory,
        MUSTER_API_PORT: String(api),
        MUSTER_PKI_PORT: String(pki),
        MUSTER_MQTT_PORT: String(mqtt),
        MUSTER_PROVISIONER_METRICS_PORT: String(provisionerMetrics),
        MUSTER_BROKER_METRICS_PORT: String(brokerMetrics),
        ...env,
      },
    }),
  )
  await running.prints(/ready in/, 60_000)
  const ca = await readFile(join(directory, 'ca/root.crt'), 'utf8')
  const token = (await readFile(join(directory, 'operator-token'), 'utf8')).trim()
  const ending = opened.move()
  return {
    ...{ directory, ca, ports: { api, mqtt, provisionerMetrics, brokerMetrics } },
    url: `https://localhost:${api}`,
    async ask(path, body) {
      const answer = await call({ port: api, ca, token, path, ...(body !== undefined && { body }) })
      if (answer.status >= 300) throw new Error(`${path}: ${answer.text}`)
      return answer
    },
    [Symbol.asyncDispose]: () => ending.disposeAsync(),
  }
}
