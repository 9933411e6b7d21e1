import { type FileHandle, open, rm } from 'node:fs/promises'
import { resolve } from 'node:path'
import { Claim, CreatedClaim, type ProfileName, profileNames } from '@muster/contracts'
import { type Command, Option } from 'commander'
import { CliError, exitCodes } from '../exit.ts'
import { notify, print, printRows } from '../io.ts'
import { collect, parseCount } from '../options.ts'
import { formatInstant } from '../output/format.ts'
import { type Cli, findFleet, type GlobalOptions, openOperatorApi } from '../settings.ts'

interface CreateOptions extends GlobalOptions {
  device?: string[]
  group?: string
  uses?: number
  expires?: string
  policy?: string
  profile?: ProfileName
  approval?: boolean
  network?: string[]
  label?: string
  out?: string
}

export function addClaimCommands(program: Command, cli: Cli): void {
  const claims = program.command('claims').description('what a device shows to get its first certificate')
  claims
    .command('create')
    .description('make a claim and print it, once; it is a secret')
    .option('--device <id>', 'the device it is for; again for several; without, the device names itself', collect)
    .option('--group <name>', 'the group of its devices', 'default')
    .option('--uses <n>', 'how many keys may use it (1, or one per named device)', parseCount)
    .option('--expires <duration>', 'how long it can be used, like 15m, 24h or 30d')
    .option('--policy <name>', 'the policy of its devices')
    .addOption(new Option('--profile <profile>', 'what the certificate is for').choices(profileNames))
    .option('--approval', 'an operator has to approve each device')
    .option('--network <cidr>', 'where it may be used from; again for several', collect)
    .option('--label <text>', 'what you want to remember')
    .option('--out <file>', 'write it to a new file that only you can read, instead of printing it')
    .action((_, command: Command) => createClaim(cli, command.optsWithGlobals()))
  claims
    .command('list')
    .description('claims, without their secrets')
    .action((_, command: Command) => listClaims(cli, command.optsWithGlobals()))
  claims
    .command('withdraw <id>')
    .description('make a claim unusable; devices that have enrolled with it keep their certificates')
    .action((id: string, _, command: Command) => withdrawClaim(cli, command.optsWithGlobals(), id))
}

async function createClaim(cli: Cli, options: CreateOptions): Promise<void> {
  const { device: names, expires, network: networks, group, uses, policy, profile, approval, label } = options
  const devices = names?.length === 1 ? { device: names[0] } : names && { devices: names }
  const given = { group, uses, policy, profile, approval, label, networks, expiresIn: expires }
  using api = await openOperatorApi(cli, options)
  const create = () => api.post('/v1/claims', { fleet: findFleet(cli, options), ...devices, ...given }, CreatedClaim)
  if (options.out === undefined) {
    const created = await create()
    return print(cli.io, options.json ? JSON.stringify(created, null, 2) : created.claim)
  }
  const { id } = await createInto(options.out, create)
  const where = { id, file: resolve(options.out) }
  if (options.json) print(cli.io, JSON.stringify(where, null, 2))
  else notify(cli.io, `claim ${id} is in ${options.out}`)
}

/** The file is there before the claim: one that nobody can read would be left on the platform otherwise. */
async function createInto(file: string, create: () => Promise<CreatedClaim>): Promise<CreatedClaim> {
  await using out = await openSecretFile(file)
  try {
    const created = await create()
    await out.writeFile(`${created.claim}\n`)
    await out.sync()
    return created
  } catch (error) {
    await rm(file, { force: true })
    throw error
  }
}

async function openSecretFile(file: string): Promise<FileHandle> {
  return open(file, 'wx', 0o600).catch((cause: NodeJS.ErrnoException) => {
    const why = cause.code === 'EEXIST' ? 'exists already' : `cannot be written (${cause.code})`
    throw new CliError(`${file} ${why}`, { exitCode: exitCodes.usage, cause })
  })
}

async function listClaims(cli: Cli, options: GlobalOptions): Promise<void> {
  using api = await openOperatorApi(cli, options)
  const claims = await api.list('/v1/claims', Claim, { fleet: findFleet(cli, options) })
  printRows(cli.io, options, claims, {
    id: (claim) => claim.id,
    devices: ({ devices }) =>
      devices && devices.length > 3 ? `${devices.length} names` : (devices?.join(',') ?? 'any'),
    group: (claim) => claim.group,
    profile: (claim) => claim.profile,
    policy: (claim) => claim.policy ?? '',
    used: (claim) => `${claim.used}/${claim.uses}`,
    expires: (claim) => formatInstant(claim.expiresAt),
    label: (claim) => claim.label ?? '',
  })
}

async function withdrawClaim(cli: Cli, options: GlobalOptions, id: string): Promise<void> {
  using api = await openOperatorApi(cli, options)
  await api.remove(`/v1/claims/${encodeURIComponent(id)}`, { fleet: findFleet(cli, options) })
  notify(cli.io, `claim ${id} is withdrawn`)
}
