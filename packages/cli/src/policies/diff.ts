import { Preview } from '@muster/contracts'
import { CliError, exitCodes } from '../exit.ts'
import { notify, print, printRows } from '../io.ts'
import { type Cli, findFleet, type GlobalOptions, openOperatorApi } from '../settings.ts'
import { readDocument } from './read-file.ts'

export interface DiffOptions extends GlobalOptions {
  attach?: string
  detach?: boolean
  move?: string
  group?: string
  device?: string
  verbose?: boolean
}

/** What a change would cut, before it is made. */
export async function previewChange(cli: Cli, options: DiffOptions, file: string | undefined): Promise<void> {
  const request = await readRequest(options, file)
  using api = await openOperatorApi(cli, options)
  const preview = await api.post('/v1/previews', request, Preview, { fleet: findFleet(cli, options) })
  if (options.json) return print(cli.io, JSON.stringify(preview, null, 2))
  const { sessions, subscriptions, devices, first, missing } = preview
  const count = (number: number, noun: string) => `${number.toLocaleString('en')} ${noun}${number === 1 ? '' : 's'}`
  print(
    cli.io,
    `${count(sessions, 'live session')} changed; ${count(subscriptions, 'subscription')} cut on ${count(devices, 'device')}`,
  )
  if (missing.length > 0) notify(cli.io, `without these brokers, which did not answer: ${missing.join(', ')}`)
  if (!options.verbose || first.length === 0) return
  printRows(cli.io, options, first, {
    device: (one) => one.device,
    'would lose': (one) => one.filters.join(' '),
  })
  if (first.length < devices) notify(cli.io, `and ${count(devices - first.length, 'more device')}`)
}

async function readRequest(options: DiffOptions, file: string | undefined): Promise<unknown> {
  const { attach, detach, move, group, device } = options
  const asked = [file, attach, detach, move].filter((part) => part !== undefined)
  if (asked.length !== 1)
    throw new CliError('give a file, --attach <policy>, --detach, or --move <device>', { exitCode: exitCodes.usage })
  if (file !== undefined) return { save: await readDocument(file) }
  if (move !== undefined) return { move: { device: move, group } }
  return { attach: { policy: attach ?? null, group, device } }
}
