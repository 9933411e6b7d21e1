import { ChangedDevice, ChangedFleet, ChangedGroup, Claim } from '@muster/contracts'
import type { Api } from '../api/client.ts'
import { reportReceipts } from '../changes/receipts.ts'
import { devicePath } from '../devices/path.ts'
import { CliError, exitCodes } from '../exit.ts'
import { notify } from '../io.ts'
import { type Cli, findFleet, type GlobalOptions, openOperatorApi } from '../settings.ts'

export interface AttachOptions extends GlobalOptions {
  group?: string
  device?: string
  claim?: string
  wait?: boolean
}

/** To what is named, or to the fleet; null takes off what is attached there. */
export async function attachPolicy(cli: Cli, options: AttachOptions, policy: string | null): Promise<void> {
  const fleet = findFleet(cli, options)
  using api = await openOperatorApi(cli, options)
  const { change, where } = await attach(api, fleet, options, policy)
  notify(cli.io, policy === null ? `nothing is attached to ${where}` : `policy ${policy} is attached to ${where}`)
  if (options.wait) await reportReceipts(cli, options, api, change)
}

interface Attached {
  change: string | null
  where: string
}

async function attach(api: Api, fleet: string, options: AttachOptions, policy: string | null): Promise<Attached> {
  const { group, device, claim } = options
  if ([group, device, claim].filter((place) => place !== undefined).length > 1)
    throw new CliError('give one of --group, --device and --claim; without, it is the fleet', {
      exitCode: exitCodes.usage,
    })
  if (device !== undefined) {
    const { change } = await api.patch(devicePath(device), { policy }, ChangedDevice, { fleet })
    return { change, where: `device ${device}` }
  }
  if (group !== undefined) {
    const { change } = await api.patch(`/v1/groups/${encodeURIComponent(group)}`, { policy }, ChangedGroup, { fleet })
    return { change, where: `group ${group}` }
  }
  if (claim !== undefined) {
    await api.patch(`/v1/claims/${encodeURIComponent(claim)}`, { policy }, Claim, { fleet })
    return { change: null, where: `claim ${claim}, for devices that enrol from now on` }
  }
  const { change } = await api.patch(`/v1/fleets/${encodeURIComponent(fleet)}`, { policy }, ChangedFleet)
  return { change, where: `fleet ${fleet}` }
}
