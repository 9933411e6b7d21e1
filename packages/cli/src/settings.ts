import { readFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { type Api, type ApiAddress, openApi } from './api/client.ts'
import type { Config } from './config.ts'
import { CliError, exitCodes } from './exit.ts'
import type { Io } from './io.ts'
import { readRoots } from './roots.ts'

/** Options that every command takes; they win over the environment. */
export interface GlobalOptions {
  url?: string
  ca?: string
  tokenFile?: string
  fleet?: string
  data?: string
  json?: boolean
}

/** What a command works with. */
export interface Cli {
  io: Io
  config: Config
  /** For the processes that it starts. */
  env: Readonly<Record<string, string | undefined>>
}

export const findData = (cli: Cli, options: GlobalOptions) => resolve(options.data ?? cli.config.data)
export const findFleet = (cli: Cli, options: GlobalOptions) => options.fleet ?? cli.config.fleet

export function findApiUrl(cli: Cli, options: GlobalOptions): string {
  const text = options.url ?? cli.config.apiUrl
  const url = URL.parse(text)
  if (url?.protocol === 'https:') return url.origin
  throw new CliError(`--url ${text} is not like https://localhost:8443`, { exitCode: exitCodes.usage })
}

/** The API as the operator whose token is at hand. */
export async function openOperatorApi(cli: Cli, options: GlobalOptions): Promise<Api> {
  return openApi(await loadApiAddress(cli, options))
}

export async function loadApiAddress(cli: Cli, options: GlobalOptions): Promise<ApiAddress> {
  const data = findData(cli, options)
  const url = findApiUrl(cli, options)
  const ca = await loadRoots(options, data)
  return { url, ca, token: await loadToken(cli, options, data) }
}

async function loadRoots(options: GlobalOptions, data: string): Promise<string> {
  const roots = options.ca === undefined ? await readRoots(data) : undefined
  return roots ?? read(options.ca ?? join(data, 'ca/root.crt'), 'root certificate', '--data or --ca')
}

async function loadToken(cli: Cli, options: GlobalOptions, data: string): Promise<string> {
  const file = options.tokenFile ?? join(data, 'operator-token')
  const token =
    options.tokenFile === undefined && cli.config.token !== undefined
      ? cli.config.token
      : await read(file, 'operator token', '--data or --token-file')
  if (/^[\x21-\x7e]+$/.test(token.trim())) return token.trim()
  throw new CliError('what was given as the operator token is none')
}

async function read(file: string, what: string, options: string): Promise<string> {
  try {
    return await readFile(file, 'utf8')
  } catch (cause) {
    const code = (cause as NodeJS.ErrnoException).code
    if (code !== 'ENOENT') throw new CliError(`the ${what} in ${file} cannot be read (${code})`, { cause })
    throw new CliError(`there is no ${what} in ${file}`, {
      exitCode: exitCodes.unreachable,
      hint: `\`muster up\` makes one; ${options} name another`,
      cause,
    })
  }
}
