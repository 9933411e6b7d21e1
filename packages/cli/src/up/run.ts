import { X509Certificate } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { join, relative } from 'node:path'
import { openApi } from '../api/client.ts'
import { startDemo } from '../demo/start.ts'
import { CliError } from '../exit.ts'
import { readRoots } from '../roots.ts'
import { type Cli, findData, type GlobalOptions } from '../settings.ts'
import { untilSignal } from '../signals.ts'
import { listListeners, localApiUrl } from './addresses.ts'
import { ensureBrokerClaim, findBrokerClaim } from './broker-claim.ts'
import type { UpContext } from './context.ts'
import { openDataDirectory } from './data-directory.ts'
import { openDatabase, type RunningDatabase } from './database.ts'
import { requireFreePorts } from './ports.ts'
import { keepProcess } from './processes.ts'
import { openScreen } from './screen.ts'

export interface UpOptions extends GlobalOptions {
  demo?: number
}

/** Everything on one machine, until a signal. What was started last is stopped first. */
export async function runUp(cli: Cli, options: UpOptions): Promise<void> {
  const startedAt = performance.now()
  const children: UpContext['children'] = new Set()
  using stop = untilSignal(() => endAtOnce(children))
  using screen = openScreen({ stream: cli.io.stdout })
  const data = findData(cli, options)
  const up: UpContext = { cli, data, screen, signal: stop.signal, children }
  try {
    openDataDirectory(data)
    await requireFreePorts(listListeners(cli.config))
    screen.status('starting')
    await using _platform = await startPlatform(up)
    screen.status('')
    screen.line(describeReady(up, performance.now() - startedAt))
    using api = openApi(await loadAddress(up))
    await using _demo = options.demo === undefined ? undefined : await startDemo(up, api, options.demo)
    await ended(stop.signal)
    screen.line('stopping')
  } catch (error) {
    if (!stop.signal.aborted) throw error
  }
  screen.line('stopped')
}

/**
 * PostgreSQL, provisioner and broker, all at once; each waits for what it needs: the provisioner for the database,
 * a broker for both, and a new broker for its claim as well.
 */
async function startPlatform(whole: UpContext): Promise<AsyncDisposable> {
  const failed = new AbortController()
  const up = { ...whole, signal: AbortSignal.any([whole.signal, failed.signal]) }
  const database = openDatabase(up)
  const provisioner = keepProvisioner(up, database)
  const broker = keepBroker(up, database, obtainBrokerClaim(up, provisioner))
  const parts = [database, provisioner, broker]
  for (const part of parts) part.catch((error) => failed.abort(error))
  await using opened = new AsyncDisposableStack()
  for (const part of await Promise.allSettled(parts)) if (part.status === 'fulfilled') opened.use(part.value)
  failed.signal.throwIfAborted()
  return opened.move()
}

function keepProvisioner(up: UpContext, database: Promise<RunningDatabase>): Promise<AsyncDisposable> {
  return keepProcess(up, {
    name: 'provisioner',
    env: sharedEnv(up),
    lateEnv: async () => ({ MUSTER_DATABASE_URL: (await database).url('muster_provisioner') }),
    readyPort: up.cli.config.ports.provisionerMetrics,
  })
}

function keepBroker(
  up: UpContext,
  database: Promise<RunningDatabase>,
  claimFile: Promise<string>,
): Promise<AsyncDisposable> {
  const { ports, broker } = up.cli.config
  return keepProcess(up, {
    name: 'broker',
    env: { ...sharedEnv(up), MUSTER_API_URL: localApiUrl(up.cli.config), MUSTER_NODE: broker },
    lateEnv: async () => ({
      MUSTER_CLAIM_FILE: await claimFile,
      MUSTER_DATABASE_URL: (await database).url('muster_broker'),
    }),
    readyPort: ports.brokerMetrics,
  })
}

async function obtainBrokerClaim(up: UpContext, provisioner: Promise<unknown>): Promise<string> {
  const { broker } = up.cli.config
  const root = await readRoot(up.data)
  const existing = root && (await findBrokerClaim(up.data, broker, fingerprint(root)))
  if (existing) return existing
  await provisioner
  const made = await readRoot(up.data)
  if (!root && made) up.screen.line(`made a CA: root ${fingerprint(made)}`)
  using api = openApi(await loadAddress(up))
  return ensureBrokerClaim(api, up.data, broker)
}

function sharedEnv({ cli: { config } }: UpContext) {
  const { host, publicHost, ports, logLevel } = config
  return {
    MUSTER_HOST: host,
    MUSTER_PUBLIC_HOST: publicHost,
    MUSTER_API_PORT: String(ports.api),
    MUSTER_PKI_PORT: String(ports.pki),
    MUSTER_MQTT_PORT: String(ports.mqtt),
    MUSTER_PROVISIONER_METRICS_PORT: String(ports.provisionerMetrics),
    MUSTER_BROKER_METRICS_PORT: String(ports.brokerMetrics),
    MUSTER_LOG_LEVEL: logLevel,
    MUSTER_DATABASE_URL_FILE: undefined,
    MUSTER_CLAIM: undefined,
  }
}

async function loadAddress({ cli, data }: UpContext) {
  const ca = await readRoots(data)
  if (ca === undefined) throw new CliError(`there is no root certificate in ${join(data, 'ca')}`)
  const token = (await readFile(join(data, 'operator-token'), 'utf8')).trim()
  return { url: localApiUrl(cli.config), ca, token }
}

async function readRoot(data: string): Promise<X509Certificate | undefined> {
  const pem = await readFile(join(data, 'ca/root.crt')).catch(() => undefined)
  return pem && new X509Certificate(pem)
}

const fingerprint = (root: X509Certificate) => root.fingerprint256.replaceAll(':', '').toLowerCase()

function describeReady({ cli: { config }, data }: UpContext, ms: number): string {
  const { publicHost, ports } = config
  const shown = (name: string) => shorten(join(data, name))
  return [
    `ready in ${(ms / 1_000).toFixed(1)} s`,
    '',
    `  API              https://${publicHost}:${ports.api}, described at https://${publicHost}:${ports.api}/docs`,
    `  MQTT             mqtts://${publicHost}:${ports.mqtt}`,
    `  root certificate ${shown('ca/root.crt')}`,
    `  operator token   ${shown('operator-token')}`,
    `  logs             ${shown('logs')}`,
    '',
    '  next: ./muster claims create --device my-device',
    '',
  ].join('\n')
}

function shorten(path: string): string {
  const short = relative(process.cwd(), path)
  return short.startsWith('..') ? path : short
}

function ended(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve()
    else signal.addEventListener('abort', () => resolve(), { once: true })
  })
}

function endAtOnce(children: UpContext['children']): never {
  for (const child of children) child.kill('SIGKILL')
  process.exit(130)
}
