import { resolve } from 'node:path'
import { CreatedClaim } from '@muster/contracts'
import { type FleetEvent, type FleetOptions, formatSummary, runFleet } from '@muster/device-sim'
import { notify, print } from '../io.ts'
import { type Cli, findApiUrl, findFleet, type GlobalOptions, openOperatorApi } from '../settings.ts'
import { interruptedCode, untilSignal } from '../signals.ts'
import { readClaimFile } from './read-claim-file.ts'

export interface SimOptions extends GlobalOptions {
  devices: number
  prefix: string
  seed: number
  ramp: number
  interval: number
  qos: '0' | '1' | '2'
  group: string
  duration?: number
  store?: string
  renew?: true
  newKeys?: true
  claimFile?: string
}

export async function simulate(cli: Cli, options: SimOptions): Promise<void> {
  const { devices, prefix, seed, ramp, interval: intervalMs, duration, store } = options
  const qos = Number(options.qos) as 0 | 1 | 2
  const fleet: FleetOptions = {
    url: findApiUrl(cli, options),
    claim: await obtainClaim(cli, options),
    ...{ devices, prefix, seed, ramp, intervalMs, qos },
    renew: options.renew ?? false,
    newKeys: options.newKeys ?? false,
    ...(duration !== undefined && { durationMs: duration * 1_000 }),
    ...(store !== undefined && { store: resolve(store) }),
    onEvent: (event) => report(cli, event),
  }
  using stop = untilSignal(() => process.exit(interruptedCode))
  const summary = await runFleet({ ...fleet, signal: stop.signal })
  print(cli.io, options.json ? JSON.stringify(summary, null, 2) : formatSummary(summary))
}

async function obtainClaim(cli: Cli, options: SimOptions): Promise<string> {
  if (options.claimFile !== undefined) return readClaimFile(options.claimFile)
  using api = await openOperatorApi(cli, options)
  const claim = { group: options.group, uses: options.devices, expiresIn: '1h', label: 'muster sim' }
  return (await api.post('/v1/claims', { fleet: findFleet(cli, options), ...claim }, CreatedClaim)).claim
}

function report(cli: Cli, event: FleetEvent): void {
  if (event.type === 'refused') notify(cli.io, `${event.device} was refused: ${event.code}`)
  if (event.type !== 'progress' || !cli.io.stderr.isTTY) return
  const { started, connected, acknowledged } = event.counts
  cli.io.stderr.write(`\r\x1b[K${started} started, ${connected} connected, ${acknowledged} messages acknowledged`)
}
