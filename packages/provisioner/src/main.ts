import { migrateDb, openDb } from '@muster/db'
import { collectDefaultMetrics } from 'prom-client'
import { createApp } from './app.ts'
import { createPublicApp } from './certificates/public-app.ts'
import { loadConfig } from './config.ts'
import type { Deps } from './context.ts'
import { createPkiPlaces } from './crl/places.ts'
import { createHealthApp } from './health/app.ts'
import { listenHttp, listenHttps } from './http/listen.ts'
import { fileCaStore } from './issuers/ca-store.ts'
import { openIssuers } from './issuers/open.ts'
import { watchIssuers } from './issuers/watch.ts'
import { createLogger } from './log.ts'
import { createMetrics } from './metrics.ts'
import { stapleOcsp } from './ocsp/staple.ts'
import { startPruning } from './refusals/prune.ts'
import { startRenewalAnswers } from './renewal/answer-requests.ts'
import { issueOwnCertificate } from './startup/issue-own-certificate.ts'
import { openKeys } from './startup/open-keys.ts'
import { openStatus } from './startup/open-status.ts'
import { prepareRegistry } from './startup/prepare-registry.ts'
import { startOwnRenewal } from './startup/renew-own-certificate.ts'
import { reportFailure } from './startup/report-failure.ts'
import { shutdownRequested } from './startup/shutdown.ts'

async function main(): Promise<void> {
  const config = loadConfig(process.env)
  if (process.argv.includes('--check-config')) return console.log('the configuration is good')
  const shutdown = shutdownRequested()
  const log = createLogger(config.logLevel, config.node)
  const metrics = createMetrics()
  const now = () => new Date()
  collectDefaultMetrics({ register: metrics.registry })

  await migrateDb(config.databaseUrl)
  await using db = await openDb({
    url: config.databaseUrl,
    role: 'muster_provisioner',
    onError: (err) => log.warn({ err }, 'a database connection broke'),
  })
  const { trustDomain, publicHost, mqttPort, validityMs, host, databaseUrl: url } = config
  const onError = (err: unknown) => log.error({ err }, 'something in the background failed')
  await using held = await openKeys(config, log)
  const place = { directory: config.caDirectory, passphrase: config.caPassphrase, keys: held.keys }
  const places = createPkiPlaces(config.pkiUrl)
  const store = fileCaStore({ ...place, trustDomain, now, urls: places.urlsOf })
  await prepareRegistry(db, store, config, now())
  const issuers = await openIssuers({ db, store, onError })
  const settings = { trustDomain, publicHost, mqttPort, validityMs }
  const deps: Deps = { db, issuers, settings, log, now, metrics }
  const own = await issueOwnCertificate(deps, config.node)
  await using status = await openStatus(deps, config, places)

  await using api = await listenHttps(
    createApp(deps),
    { host, port: config.apiPort, setting: 'MUSTER_API_PORT' },
    own.material,
  )
  stapleOcsp(api.server, status.ocsp, log)
  using _renewal = startOwnRenewal(deps, config.node, api.server, own)
  await using _watch = watchIssuers({ issuers, url, onError })
  await using _answers = startRenewalAnswers(deps, url)
  await using _pruning = startPruning(deps, config.refusalRetentionMs)
  await using pki = await listenHttp(createPublicApp({ ...deps, ...status }), {
    host,
    port: config.pkiPort,
    setting: 'MUSTER_PKI_PORT',
  })
  await using health = await listenHttp(createHealthApp(deps), {
    host: '127.0.0.1',
    port: config.metricsPort,
    setting: 'MUSTER_PROVISIONER_METRICS_PORT',
  })

  const ports = { api: api.port, pki: pki.port, metrics: health.port }
  log.info({ ports, issuer: issuers.active.name }, 'provisioner ready')
  log.info({ why: await shutdown }, 'provisioner stops')
}

await main().catch(reportFailure)
