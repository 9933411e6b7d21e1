import { X509Certificate } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { join, relative } from 'node:path'
import { openApi } from '../api/client.ts'
import { startDemo } from '../demo/start.ts'
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
    screen.status('starting PostgreSQL')
    await using database = await openDatabase(up)
    screen.status('starting provisioner and broker')
    await using platform = await startPlatform(up, database)
    screen.status('')
    screen.line(describeReady(up, performance.now() - startedAt))
    using api = openApi(await loadAddress(up))
    await using _demo = options.demo === undefined ? undefined : await startDemo(up, api, options.demo)
    await ended(stop.signal)
    screen.line('stopping')
    void platform
  } catch (error) {
    if (!stop.signal.aborted) throw error
  }
  screen.line('stopped')
}

/** The provisioner first, because a new broker enrols with it; where the broker has its claim, both at once. */
async function startPlatform(up: UpContext, database: RunningDatabase): Promise<AsyncDisposable> {
  const root = await readRoot(up.data)
  const claim = root && (await findBrokerClaim(up.data, up.cli.config.broker, fingerprint(root)))
  await using opened = new AsyncDisposableStack()
  const provisioner = keepProvisioner(up, database).then((kept) => opened.use(kept))
  if (claim) {
    const broker = keepBroker(up, database, claim)
    const [, second] = await Promise.allSettled([provisioner, broker])
    await provisioner
    if (second.status === 'fulfilled') opened.use(second.value)
    await broker
    return opened.move()
  }
  await provisioner
  const made = await readRoot(up.data)
  if (!root && made) up.screen.line(`made a CA: root ${fingerprint(made)}`)
  using api = openApi(await loadAddress(up))
  opened.use(await keepBroker(up, database, await ensureBrokerClaim(api, up.data, up.cli.config.broker)))
  return opened.move()
}

function keepProvisioner(up: UpContext, database: RunningDatabase): Promise<AsyncDisposable> {
  const { ports } = up.cli.config
  const env = () => ({ ...sharedEnv(up), MUSTER_DATABASE_URL: database.url('muster_provisioner') })
  return keepProcess(up, { name: 'provisioner', env, readyPort: ports.provisionerMetrics })
}

function keepBroker(up: UpContext, database: RunningDatabase, claimFile: string): Promise<AsyncDisposable> {
  const { ports, broker } = up.cli.config
  const env = () => ({
    ...sharedEnv(up),
    MUSTER_DATABASE_URL: database.url('muster_broker'),
    MUSTER_API_URL: localApiUrl(up.cli.config),
    MUSTER_NODE: broker,
    MUSTER_CLAIM_FILE: claimFile,
  })
  return keepProcess(up, { name: 'broker', env, readyPort: ports.brokerMetrics })
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
  }
}

async function loadAddress({ cli, data }: UpContext) {
  const ca = await readFile(join(data, 'ca/root.crt'), 'utf8')
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
