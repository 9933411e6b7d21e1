import { once } from 'node:events'
import { join } from 'node:path'
import { openDb } from '@muster/db'
import { loadCredentials } from '@muster/device'
import { pino } from 'pino'
import { loadSnapshot } from './admission/load-snapshot.ts'
import { startBroker } from './broker.ts'
import { loadConfig } from './config.ts'
import { openClock } from './contact/clock.ts'
import { defaultLimits } from './limits.ts'
import { repairSessions } from './mqtt/store/repair.ts'
import { reportFailure } from './report-failure.ts'
import { openServerStore } from './server-credentials.ts'
import { keepServerRenewed, type UseCredentials } from './server-renewal.ts'
import { watchShutdown } from './shutdown.ts'

async function main(): Promise<void> {
  const config = loadConfig(process.env)
  if (process.argv.includes('--check-config')) return console.log('the configuration is good')
  const { MUSTER_NODE: node, MUSTER_DATABASE_URL: databaseUrl } = config
  const sessionsPath = join(config.MUSTER_DATA, 'broker', node, 'sessions')
  if (process.argv.includes('--repair-sessions')) {
    const { kept, dropped } = await repairSessions(sessionsPath)
    return console.log(`${sessionsPath}: ${kept} records kept, ${dropped} dropped`)
  }
  const shutdown = watchShutdown()
  const log = pino({ level: config.MUSTER_LOG_LEVEL, base: { node }, timestamp: pino.stdTimeFunctions.isoTime })

  const clock = openClock()
  const { MUSTER_FRESHNESS: freshness, MUSTER_KEEP_ALIVE: keepAliveSeconds } = config
  const limits = { ...defaultLimits, freshnessMs: freshness * 1_000, keepAliveSeconds }
  const directory = join(config.MUSTER_DATA, 'broker', node)
  const onError = (err: unknown) => log.error({ err }, 'the snapshot for times without the registry is not kept')
  await using snapshot = await loadSnapshot({ directory, clock, freshnessMs: limits.freshnessMs, onError })
  await using db = await openDb({
    url: databaseUrl,
    role: 'muster_broker',
    patienceMs: limits.databaseMs,
    mayBeAway: snapshot.heldUntil > clock.now(),
    onError: (err) => log.warn({ err }, 'a database connection broke'),
  })
  const store = await openServerStore({
    data: config.MUSTER_DATA,
    node,
    apiUrl: config.MUSTER_API_URL,
    claim: config.MUSTER_CLAIM,
    signal: shutdown,
    log,
  })
  const settings = {
    node,
    host: config.MUSTER_HOST,
    mqttPort: config.MUSTER_MQTT_PORT,
    websocketPort: config.MUSTER_WS_PORT,
    websocketOrigins: config.MUSTER_WS_ORIGINS,
    proxyFrom: config.MUSTER_PROXY_FROM,
    metricsPort: config.MUSTER_BROKER_METRICS_PORT,
    trustDomain: config.MUSTER_TRUST_DOMAIN,
    limits,
    databaseUrl,
    sessionsPath,
    sessionsSync: config.MUSTER_SESSIONS_SYNC === 'on',
    credentials: await loadCredentials(store),
    keepRenewed: (use: UseCredentials) => keepServerRenewed({ store, use, log }),
  }
  await using broker = await startBroker({ settings, db, log, now: () => new Date(), clock, snapshot })

  log.info(
    { ports: { mqtt: broker.mqttPort, websocket: broker.websocketPort, metrics: broker.metricsPort } },
    'broker ready',
  )
  if (!shutdown.aborted) await once(shutdown, 'abort')
  log.info({ why: shutdown.reason.message }, 'broker stops')
}

await main().catch(reportFailure)
