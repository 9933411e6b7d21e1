import { randomBytes } from 'node:crypto'
import { hostname } from 'node:os'
import { resolve } from 'node:path'
import { offerWorker } from '@muster/device-sim'
import { notify } from '../io.ts'
import { type Cli, findApiUrl, type GlobalOptions } from '../settings.ts'
import { interruptedCode, untilSignal } from '../signals.ts'
import { readClaimFile } from './read-claim-file.ts'

interface WorkerOptions extends GlobalOptions {
  claimFile: string
  name?: string
  store?: string
}

/** `muster sim worker`: needs nothing of the operator's, only a claim. */
export async function playForOthers(cli: Cli, options: WorkerOptions): Promise<void> {
  const claim = await readClaimFile(options.claimFile)
  const directory = options.store === undefined ? undefined : resolve(options.store)
  using stop = untilSignal(() => process.exit(interruptedCode))
  const { name = chooseName() } = options
  const onState = (line: string) => notify(cli.io, line)
  try {
    await offerWorker({ url: findApiUrl(cli, options), claim, directory, name, signal: stop.signal, onState })
  } catch (error) {
    if (!stop.signal.aborted) throw error
  }
}

function chooseName(): string {
  const host = hostname()
    .toLowerCase()
    .replaceAll(/[^a-z0-9-]/g, '-')
    .slice(0, 40)
  return `worker-${host}-${randomBytes(3).toString('hex')}`
}
