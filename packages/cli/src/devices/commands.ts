import { ChangedDevice, Device, deviceStates, revocationReasons } from '@muster/contracts'
import { type Command, Option } from 'commander'
import { reportReceipts } from '../changes/receipts.ts'
import { notify, printFields, printRows } from '../io.ts'
import { parseCount } from '../options.ts'
import { formatInstant, formatRelative } from '../output/format.ts'
import { type Cli, findFleet, type GlobalOptions, openOperatorApi } from '../settings.ts'
import { moveDevice } from './move.ts'
import { devicePath } from './path.ts'
import { revokeDevice } from './revoke.ts'
import { listTelemetry } from './telemetry.ts'
import { explainDevice } from './why.ts'

const actions = {
  suspend: 'close its connection and keep it out until it is resumed',
  resume: 'let a suspended device in again',
  retire: 'take it out of the fleet; its id becomes free',
  approve: 'let a device in that waits for approval',
  reject: 'refuse a device that waits for approval',
} as const

export function addDeviceCommands(program: Command, cli: Cli): void {
  const devices = program.command('devices').description('the registry')
  devices
    .command('list')
    .description('devices of the fleet')
    .addOption(new Option('--state <state>', 'only those in this state').choices(deviceStates))
    .option('--group <name>', 'only those of this group')
    .option('--connected', 'only those that are connected')
    .option('--limit <n>', 'at most so many', parseCount)
    .action((_, command: Command) => listDevices(cli, command.optsWithGlobals()))
  devices
    .command('show <id>')
    .description('all about one device')
    .action((id: string, _, command: Command) => showDevice(cli, command.optsWithGlobals(), id))
  for (const [action, description] of Object.entries(actions))
    devices
      .command(`${action} <id>`)
      .description(description)
      .option('--wait', 'until every broker has answered with a receipt')
      .action((id: string, _, command: Command) => changeDevice(cli, command.optsWithGlobals(), id, action))
  devices
    .command('revoke <id>')
    .description('throw it out for good: certificate, connections, session')
    .addOption(new Option('--reason <reason>', 'why').choices(revocationReasons).default('unspecified'))
    .option('--wait', 'until every broker has answered with a receipt')
    .action((id: string, _, command: Command) => revokeDevice(cli, command.optsWithGlobals(), id))
  devices
    .command('move <id>')
    .description('put it into another group; its live connection is judged by that at once')
    .requiredOption('--group <name>', 'the group')
    .option('--wait', 'until every broker has answered with a receipt')
    .action((id: string, _, command: Command) => moveDevice(cli, command.optsWithGlobals(), id))
  devices
    .command('why <id>')
    .alias('refusals')
    .description('how it stands; what was refused to it, why, and what to do')
    .action((id: string, _, command: Command) => explainDevice(cli, command.optsWithGlobals(), id))
  devices
    .command('telemetry <id>')
    .description('its last messages, newest first')
    .option('--limit <n>', 'at most so many', parseCount, 20)
    .action((id: string, _, command: Command) => listTelemetry(cli, command.optsWithGlobals(), id))
}

interface ListOptions extends GlobalOptions {
  state?: string
  group?: string
  connected?: boolean
  limit?: number
}

async function listDevices(cli: Cli, options: ListOptions): Promise<void> {
  const { state, group, connected, limit } = options
  using api = await openOperatorApi(cli, options)
  const all = await api.list('/v1/devices', Device, { fleet: findFleet(cli, options), state, group })
  const devices = all.filter((device) => device.connected || !connected).slice(0, limit)
  const now = cli.io.now()
  printRows(cli.io, options, devices, {
    id: (device) => device.id,
    group: (device) => device.group,
    policy: (device) => device.policy,
    state: (device) => device.state,
    connected: (device) => (device.connected ? `yes, ${device.node}` : 'no'),
    seen: (device) => formatRelative(device.seenAt, now),
    enrolled: (device) => formatInstant(device.enrolledAt),
  })
}

async function showDevice(cli: Cli, options: GlobalOptions, id: string): Promise<void> {
  using api = await openOperatorApi(cli, options)
  const device = await api.get(devicePath(id), Device, { fleet: findFleet(cli, options) })
  const attributes = Object.entries(device.attributes).map(([name, value]) => `${name}=${value}`)
  printFields(cli.io, options, device, {
    id: device.id,
    fleet: device.fleet,
    group: device.group,
    policy: `${device.policy}, from ${device.policyFrom}`,
    profile: device.profile,
    state: `${device.state} since ${formatInstant(device.stateAt)}`,
    connected: device.connected ? `yes, to ${device.node} since ${formatInstant(device.connectedAt)}` : 'no',
    seen: formatInstant(device.seenAt),
    session: device.sessionEndsAt === null ? '' : `kept until ${formatInstant(device.sessionEndsAt)}`,
    enrolled: formatInstant(device.enrolledAt),
    clock: device.clockSkewSeconds === null ? '' : `${device.clockSkewSeconds} s ahead of ours`,
    key: device.keyFingerprint,
    attributes: attributes.join(' '),
  })
}

async function changeDevice(
  cli: Cli,
  options: GlobalOptions & { wait?: boolean },
  id: string,
  action: string,
): Promise<void> {
  using api = await openOperatorApi(cli, options)
  const device = await api.post(`${devicePath(id)}/${action}`, undefined, ChangedDevice, {
    fleet: findFleet(cli, options),
  })
  if (options.wait) return reportReceipts(cli, options, api, device.change)
  if (options.json) printFields(cli.io, options, device, {})
  else notify(cli.io, `${device.id} is ${device.state}`)
}
