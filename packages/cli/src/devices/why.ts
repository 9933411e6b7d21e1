import { Certificate, Device, MusterError, printable, Refusal } from '@muster/contracts'
import { print } from '../io.ts'
import { formatInstant, formatRelative } from '../output/format.ts'
import { type Cli, findFleet, type GlobalOptions, openOperatorApi } from '../settings.ts'
import { devicePath } from './path.ts'

const mostRefusals = 20

interface Findings {
  device: Device | null
  certificate: Certificate | null
  refusals: Refusal[]
}

/** How a device stands, and what was refused to it, or to who claims its name. */
export async function explainDevice(cli: Cli, options: GlobalOptions, id: string): Promise<void> {
  using api = await openOperatorApi(cli, options)
  const query = { fleet: findFleet(cli, options) }
  const device = await orNone(api.get(devicePath(id), Device, query))
  const certificates = device ? await api.list(`${devicePath(id)}/certificates`, Certificate, query, 10) : []
  const certificate = certificates.find(({ state }) => state === 'active') ?? certificates[0] ?? null
  const refusals = (await orNone(api.list(`${devicePath(id)}/refusals`, Refusal, query, mostRefusals))) ?? []
  const findings = { device, certificate, refusals }
  print(cli.io, options.json ? JSON.stringify(findings, null, 2) : describe(id, query.fleet, findings, cli.io.now()))
}

function describe(id: string, fleet: string, findings: Findings, now: Date): string {
  const { device, refusals } = findings
  const standing = device
    ? describeStanding(device, findings.certificate, now)
    : [`${id} is not enrolled in fleet ${fleet}.`]
  if (refusals.length > 0)
    return [...standing, ...refusals.flatMap((refusal) => describeRefusal(refusal, now))].join('\n')
  return [...standing, '', ...hintsFor(device)].join('\n')
}

function describeStanding(device: Device, certificate: Certificate | null, now: Date): string[] {
  const since = `since ${formatInstant(device.stateAt)}`
  const seen = device.seenAt
    ? `not connected; last seen ${formatInstant(device.seenAt)} (${formatRelative(device.seenAt, now)})`
    : 'not connected; it has never been seen'
  return [
    `${device.id} is ${device.state} ${since}`,
    device.connected ? `connected to ${device.node} since ${formatInstant(device.connectedAt)}` : seen,
    certificate
      ? `certificate ${certificate.serial}: ${certificate.state}, ends ${formatInstant(certificate.notAfter)} (${formatRelative(certificate.notAfter, now)})`
      : 'no certificate',
  ]
}

function describeRefusal(refusal: Refusal, now: Date): string[] {
  const { code, detail, count, address, advice, subject, serial, issuer } = refusal
  const times = count === 1 ? 'once' : `${count} times since ${formatInstant(refusal.firstAt)}`
  const from = address === '*' ? 'many addresses' : address
  const shown = subject ? `"${subject}"${serial ? `, serial ${serial}` : ''}${issuer ? `, by "${issuer}"` : ''}` : ''
  return [
    '',
    `${refusal.alert ? 'ALERT ' : ''}${code}: ${printable(detail)}`,
    `  when    ${formatInstant(refusal.lastAt)} (${formatRelative(refusal.lastAt, now)}), ${times}`,
    `  from    ${printable(from)}`,
    ...(refusal.proven ? [] : ['  who     somebody who only claims to be it: nothing proves that it was the device']),
    ...(shown ? [`  showed  ${printable(shown)}`] : []),
    `  do      ${advice.operator}`,
    `  device  ${advice.device}`,
  ]
}

function hintsFor(device: Device | null): string[] {
  if (!device)
    return ['Nothing was refused to this name either: make a claim for it (`muster claims create --device`).']
  if (device.connected) return ['Nothing was refused.']
  if (device.seenAt) return ['Nothing was refused. It has not tried since: look at its power and its network.']
  return [
    'Nothing was refused: no connection of it has come as far as the broker.',
    'Look at its network, at the name and port that it connects to (`muster doctor`), and at its clock.',
    '`muster refusals list` has those who failed before they could say who they are.',
  ]
}

async function orNone<Result>(work: Promise<Result>): Promise<Result | null> {
  try {
    return await work
  } catch (error) {
    if (error instanceof MusterError && error.code === 'device-not-found') return null
    throw error
  }
}
