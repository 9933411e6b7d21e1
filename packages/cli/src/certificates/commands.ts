import { Certificate, certificateStates, Forecast } from '@muster/contracts'
import { type Command, Option } from 'commander'
import { print, printRows } from '../io.ts'
import { parseCount, parseDuration } from '../options.ts'
import { formatInstant, formatRelative } from '../output/format.ts'
import { formatTable } from '../output/table.ts'
import { type Cli, type GlobalOptions, openOperatorApi } from '../settings.ts'

export function addCertificateCommands(program: Command, cli: Cli): void {
  const certificates = program.command('certificates').description('what was issued, and when it ends')
  certificates
    .command('list')
    .description('certificates in use, the first to end first; of all fleets unless --fleet names one')
    .option('--issuer <name>', 'only those of this issuing CA')
    .addOption(new Option('--state <state>', 'those in this state instead').choices(certificateStates))
    .option('--expires-within <duration>', 'only those that end within this time, like 30d', parseDuration)
    .option('--limit <n>', 'at most so many', parseCount)
    .action((_, command: Command) => listCertificates(cli, command.optsWithGlobals()))
  certificates
    .command('forecast')
    .description('how many end when, and who is lost if nothing can be renewed for a while')
    .option('--outage <duration>', 'how long nothing could be renewed, like 72h', parseDuration, 72 * 3_600)
    .action((_, command: Command) => showForecast(cli, command.optsWithGlobals()))
}

interface ListOptions extends GlobalOptions {
  issuer?: string
  state?: string
  expiresWithin?: number
  limit?: number
}

async function listCertificates(cli: Cli, options: ListOptions): Promise<void> {
  const { fleet, issuer, state, expiresWithin, limit } = options
  const now = cli.io.now()
  const expiresBefore =
    expiresWithin === undefined ? undefined : new Date(now.getTime() + expiresWithin * 1_000).toISOString()
  using api = await openOperatorApi(cli, options)
  const found = await api.list('/v1/certificates', Certificate, { fleet, issuer, state, expiresBefore }, limit)
  printRows(cli.io, options, found, {
    device: (certificate) => `${certificate.fleet}/${certificate.device}`,
    issuer: (certificate) => certificate.issuer,
    state: (certificate) => certificate.state,
    ends: (certificate) => `${formatInstant(certificate.notAfter)} (${formatRelative(certificate.notAfter, now)})`,
    serial: (certificate) => certificate.serial,
  })
}

async function showForecast(cli: Cli, options: GlobalOptions & { outage: number }): Promise<void> {
  const hours = Math.max(1, Math.ceil(options.outage / 3_600))
  using api = await openOperatorApi(cli, options)
  const forecast = await api.get('/v1/certificates/forecast', Forecast, { hours })
  if (options.json) return print(cli.io, JSON.stringify(forecast, null, 2))
  printRows(cli.io, options, forecast.expiring, {
    'ends within': (row) => row.within,
    certificates: (row) => String(row.certificates),
    'of them servers': (row) => String(row.servers),
  })
  const { devices, first } = forecast.outage
  print(cli.io, `\nIf nothing could be renewed for ${hours} h: ${devices} devices would be lost.`)
  if (first.length === 0) return
  const now = cli.io.now()
  print(
    cli.io,
    formatTable(first, {
      device: (lost) => `${lost.fleet}/${lost.device}`,
      ends: (lost) => `${formatInstant(lost.notAfter)} (${formatRelative(lost.notAfter, now)})`,
    }),
  )
}
