import { MusterError } from '@muster/contracts'
import { ConfigError } from '@muster/contracts/config'
import { openDb } from '@muster/db'
import { pino } from 'pino'
import { startBroker } from './broker.ts'
import { loadConfig } from './config.ts'
import { defaultLimits } from './limits.ts'
import { openServerCredentials } from './server-credentials.ts'
import { shutdownRequested, watchShutdown } from './shutdown.ts'

async function main(): Promise<void> {
  const config = loadConfig(process.env)
  if (process.argv.includes('--check-config')) return
  const { MUSTER_NODE: node, MUSTER_DATABASE_URL: databaseUrl } = config
  const log = pino({ level: config.MUSTER_LOG_LEVEL, base: { process: 'broker', node } })
  const shutdown = watchShutdown()

  await using db = await openDb({
    url: databaseUrl,
    role: 'muster_broker',
    onError: (error) => log.warn({ err: error }, 'a database connection broke'),
  })
  const credentials = await openServerCredentials({
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
    metricsPort: config.MUSTER_BROKER_METRICS_PORT,
    trustDomain: config.MUSTER_TRUST_DOMAIN,
    limits: defaultLimits,
    databaseUrl,
    credentials,
  }
  await using broker = await startBroker({ settings, db, log, now: () => new Date() })

  log.info({ mqtt: broker.mqttPort, metrics: broker.metricsPort }, 'broker ready')
  await shutdownRequested(shutdown)
  log.info('shutting down')
}

main().catch((error: unknown) => {
  const named = error instanceof MusterError || error instanceof ConfigError
  console.error(named || isSystemError(error) ? `muster broker: ${error.message}` : error)
  process.exitCode = 1
})

/** Such as a port that is taken or a directory that cannot be written. */
function isSystemError(error: unknown): error is NodeJS.ErrnoException {
  return error instanceof Error && 'syscall' in error
}
