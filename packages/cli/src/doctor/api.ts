import { readFile } from 'node:fs/promises'
import { Bootstrap, Fleet } from '@muster/contracts'
import { openApi } from '../api/client.ts'
import { CliError } from '../exit.ts'
import { readRoots } from '../roots.ts'
import { type Cli, loadApiAddress } from '../settings.ts'
import type { Finding } from './command.ts'

const tolerableSkewMs = 60_000

/** The API answers with a certificate of our root, its clock agrees with ours, and it accepts the operator's token. */
export async function examineApi(cli: Cli, url: string, data: string, caFile?: string): Promise<Finding[]> {
  const ca = await (caFile === undefined ? readRoots(data) : readFile(caFile, 'utf8').catch(() => undefined))
  if (ca === undefined) return [{ what: 'API', state: 'skipped', detail: 'needs the root certificate' }]
  using api = openApi({ url, ca })
  try {
    const before = Date.now()
    const { serverTime } = await api.get('/v1/bootstrap', Bootstrap)
    const skewMs = new Date(serverTime).getTime() - (before + Date.now()) / 2
    const reached: Finding = { what: 'API', state: 'good', detail: `${url} answers, with a certificate of this root` }
    return [reached, judgeSkew(skewMs), await examineToken(cli, url, data)]
  } catch (error) {
    return [{ what: 'API', state: 'bad', detail: describe(error) }]
  }
}

function judgeSkew(skewMs: number): Finding {
  const seconds = (Math.abs(skewMs) / 1_000).toFixed(1)
  const isGood = Math.abs(skewMs) < tolerableSkewMs
  const detail = isGood ? `${seconds} s from the server's` : `${seconds} s from the server's: set one of them right`
  return { what: 'clock', state: isGood ? 'good' : 'bad', detail }
}

async function examineToken(cli: Cli, url: string, data: string): Promise<Finding> {
  try {
    using api = openApi(await loadApiAddress(cli, { url, data }))
    await api.list('/v1/fleets', Fleet, {}, 1)
    return { what: 'operator token', state: 'good', detail: 'accepted' }
  } catch (error) {
    return { what: 'operator token', state: 'bad', detail: describe(error) }
  }
}

function describe(error: unknown): string {
  const hint = error instanceof CliError && error.hint ? `: ${error.hint}` : ''
  return `${(error as Error).message}${hint}`
}
