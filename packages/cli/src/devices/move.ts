import { ChangedDevice } from '@muster/contracts'
import { reportReceipts } from '../changes/receipts.ts'
import { notify, print } from '../io.ts'
import { type Cli, findFleet, type GlobalOptions, openOperatorApi } from '../settings.ts'
import { devicePath } from './path.ts'

type MoveOptions = GlobalOptions & { group: string; wait?: boolean }

export async function moveDevice(cli: Cli, options: MoveOptions, id: string): Promise<void> {
  const { group, wait, json } = options
  using api = await openOperatorApi(cli, options)
  const device = await api.patch(devicePath(id), { group }, ChangedDevice, { fleet: findFleet(cli, options) })
  if (wait) return reportReceipts(cli, options, api, device.change)
  if (json) print(cli.io, JSON.stringify(device, null, 2))
  else notify(cli.io, `${device.id} is in group ${device.group}`)
}
