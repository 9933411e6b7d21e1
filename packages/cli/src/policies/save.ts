import { SavedPolicy } from '@muster/contracts'
import { reportReceipts } from '../changes/receipts.ts'
import { notify, print } from '../io.ts'
import { type Cli, findFleet, type GlobalOptions, openOperatorApi } from '../settings.ts'
import { policyPath } from './path.ts'
import { readDocument } from './read-file.ts'

type SaveOptions = GlobalOptions & { expect?: number; wait?: boolean }

export async function savePolicy(cli: Cli, options: SaveOptions, file: string): Promise<void> {
  const document = await readDocument(file)
  using api = await openOperatorApi(cli, options)
  const query = { fleet: findFleet(cli, options) }
  const saved = await api.put(policyPath(document.name), document, SavedPolicy, query, options.expect)
  if (options.json && !options.wait) print(cli.io, JSON.stringify(saved, null, 2))
  else notify(cli.io, `policy ${saved.name} is at version ${saved.version}`)
  if (options.wait) await reportReceipts(cli, options, api, saved.change)
}
