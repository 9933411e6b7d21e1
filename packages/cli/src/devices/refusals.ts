import { Refusal } from '@muster/contracts'
import { notify, printRows } from '../io.ts'
import { formatInstant } from '../output/format.ts'
import { type Cli, findFleet, type GlobalOptions, openOperatorApi } from '../settings.ts'
import { devicePath } from './path.ts'

export async function listRefusals(cli: Cli, options: GlobalOptions, id: string): Promise<void> {
  using api = await openOperatorApi(cli, options)
  const refusals = await api.list(`${devicePath(id)}/refusals`, Refusal, { fleet: findFleet(cli, options) })
  if (refusals.length === 0 && !options.json) return notify(cli.io, `nothing was refused to ${id}`)
  printRows(cli.io, options, refusals, {
    last: (refusal) => formatInstant(refusal.lastAt),
    times: (refusal) => String(refusal.count),
    code: (refusal) => refusal.code,
    alert: (refusal) => (refusal.alert ? 'ALERT' : ''),
    address: (refusal) => refusal.address,
    detail: (refusal) => refusal.detail,
  })
}
