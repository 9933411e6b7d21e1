import { type SpawnSyncReturns, spawnSync } from 'node:child_process'
import { statSync } from 'node:fs'

/** Who the server runs as. PostgreSQL refuses root, so root lends it an account without rights. */
export interface Account {
  uid: number
  gid: number
}

const nobody: Account = { uid: 65_534, gid: 65_534 }

/** @param data a cluster that exists keeps its owner */
export function chooseAccount(data: string): Account {
  const self = { uid: process.getuid?.() ?? 0, gid: process.getgid?.() ?? 0 }
  if (self.uid !== 0) return self
  const owner = statSync(data, { throwIfNoEntry: false })
  return owner && owner.uid !== 0 ? { uid: owner.uid, gid: owner.gid } : nobody
}

/** The environment is empty on purpose: PG… variables of whoever started us would change what the server does. */
export function spawnOptions({ uid, gid }: Account) {
  const env = { LC_ALL: 'C' }
  return process.getuid?.() === 0 ? { uid, gid, env, cwd: '/' } : { env, cwd: '/' }
}

export function runAs(account: Account, command: string, args: string[]): SpawnSyncReturns<string> {
  return spawnSync(command, args, { ...spawnOptions(account), encoding: 'utf8', timeout: 120_000 })
}

/** Tried, not guessed: modes, ACLs and mounts all have a say in it. */
export function canEnter(account: Account, directory: string): boolean {
  return runAs(account, '/bin/sh', ['-c', 'cd "$1"', 'sh', directory]).status === 0
}
