import { execFile } from 'node:child_process'
import { stat } from 'node:fs/promises'
import { promisify } from 'node:util'

/** Who the server runs as. PostgreSQL refuses root, so root lends it an account without rights. */
export interface Account {
  uid: number
  gid: number
}

const nobody: Account = { uid: 65_534, gid: 65_534 }

export const isRoot = () => process.getuid?.() === 0

/** @param data a cluster that exists keeps its owner */
export async function chooseAccount(data: string): Promise<Account> {
  if (!isRoot()) return { uid: process.getuid?.() ?? 0, gid: process.getgid?.() ?? 0 }
  const owner = await stat(data).catch(() => undefined)
  return owner && owner.uid !== 0 ? { uid: owner.uid, gid: owner.gid } : nobody
}

/** The environment is empty on purpose: PG… variables of whoever started us would change what the server does. */
export function spawnOptions(account: Account) {
  const clean = { env: { LC_ALL: 'C' }, cwd: '/' }
  return isRoot() ? { ...clean, ...account } : clean
}

/** What went wrong, or undefined. */
export async function runAs(account: Account, command: string, args: string[]): Promise<string | undefined> {
  try {
    await promisify(execFile)(command, args, { ...spawnOptions(account), encoding: 'utf8' })
    return undefined
  } catch (error) {
    const { message, stderr = '' } = error as Error & { stderr?: string }
    const lines = stderr.split('\n').filter(Boolean)
    const reason = lines.find((line) => /(error|FATAL|PANIC):/.test(line)) ?? lines.at(-1) ?? message
    return reason.replace(/^.*?(error|FATAL|PANIC): +/, '')
  }
}

/** Tried, not guessed: modes, ACLs and mounts all have a say in it. */
export async function canEnter(account: Account, directory: string): Promise<boolean> {
  return (await runAs(account, '/bin/sh', ['-c', 'cd "$1"', 'sh', directory])) === undefined
}
