import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { mkdir, mkdtemp, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import type { TokenAddress } from './token/messages.ts'

const run = promisify(execFile)

/** SoftHSM2 with a token of its own, in a directory that is removed at the end. */
export interface SoftHsm extends AsyncDisposable {
  readonly address: TokenAddress
  /** What the library, and any process that loads it, needs in its environment. */
  readonly env: Record<string, string>
  directory: string
  /** The HSM is switched off, or its network is gone. */
  takeAway(): Promise<void>
  bringBack(): Promise<void>
  addToken(label: string, pin: string): Promise<void>
  addKey(label: string): Promise<void>
  removeKey(label: string): Promise<void>
  /** Attributes of a private key, by names like CKA_SENSITIVE; hexadecimal. */
  inspect(label: string, attributes: readonly string[]): Promise<string[]>
  changePin(from: string, to: string): Promise<void>
  /** The pid of the one process that has the HSM's library. */
  findProcess(): Promise<number>
}

const label = 'muster'
const pin = '83124'

/** Compiles pkcs11js first where that has not happened. @throws with what is missing on this machine */
export async function openSoftHsm(): Promise<SoftHsm> {
  const builder = new URL('../../../infra/build-pkcs11.mjs', import.meta.url)
  const { buildPkcs11 } = (await import(builder.href)) as { buildPkcs11(): void }
  buildPkcs11()
  const module = findModule()
  const directory = await mkdtemp(join(tmpdir(), 'muster-hsm-'))
  const tokens = join(directory, 'tokens')
  const away = join(directory, 'away')
  const configuration = join(directory, 'softhsm2.conf')
  await mkdir(tokens)
  await writeFile(configuration, `directories.tokendir = ${tokens}\nlog.level = ERROR\n`)
  const env = { PATH: process.env.PATH ?? '', SOFTHSM2_CONF: configuration }
  const addToken = async (name: string, userPin: string) => {
    const args = ['--init-token', '--free', '--label', name, '--pin', userPin, '--so-pin', '1234567']
    await run('softhsm2-util', args, { env })
  }
  await addToken(label, pin)
  const address = { module, token: label, pin }
  const administer = async (command: string, argument: string, ...more: string[]) => {
    const tool = fileURLToPath(new URL('testing/tool.ts', import.meta.url))
    const { pin: _, ...place } = address
    const [secret, ...rest] = command === 'change-pin' ? [argument, ...more] : [pin, argument, ...more]
    const { stdout } = await run(
      process.execPath,
      [tool, JSON.stringify({ ...place, pin: secret }), command, ...rest],
      { env },
    )
    return stdout
  }
  return {
    ...{ address, env, directory, addToken },
    addKey: async (name) => void (await administer('add', name)),
    removeKey: async (name) => void (await administer('remove', name)),
    inspect: async (name, attributes) => JSON.parse(await administer('attributes', name, ...attributes)),
    changePin: async (from, to) => void (await administer('change-pin', from, to)),
    findProcess: () => findProcess(configuration),
    takeAway: () => rename(tokens, away),
    bringBack: () => rename(away, tokens),
    [Symbol.asyncDispose]: () => rm(directory, { recursive: true, force: true }),
  }
}

/** Distributions put it in different places. */
function findModule(): string {
  const directories = ['/usr/lib', '/usr/lib64', '/usr/local/lib', '/opt/homebrew/lib']
  const given = process.env.SOFTHSM2_MODULE?.split(delimiter) ?? []
  const paths = [...given, ...directories.map((directory) => join(directory, 'softhsm/libsofthsm2.so'))]
  const found = paths.find((path) => existsSync(path))
  if (!found) throw new Error(`SoftHSM2 is needed (Debian: apt-get install softhsm2); looked for ${paths.join(', ')}`)
  return found
}

async function findProcess(configuration: string): Promise<number> {
  const found: number[] = []
  for (const pid of (await readdir('/proc')).filter((name) => /^\d+$/.test(name))) {
    const read = (file: string) => readFile(join('/proc', pid, file), 'utf8').catch(() => '')
    if (!(await read('cmdline')).includes('pkcs11/src/token/process.ts')) continue
    if ((await read('environ')).includes(configuration)) found.push(Number(pid))
  }
  const [pid] = found
  if (pid === undefined || found.length > 1) throw new Error(`${found.length} processes have the HSM's library`)
  return pid
}
