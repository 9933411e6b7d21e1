import { spawn } from 'node:child_process'
import { Socket } from 'node:net'
import { type Account, spawnOptions } from './account.ts'
import type { Server } from './server.ts'

/**
 * Stops the server when this process is gone, however it went: a shell reads from a pipe that ends with us.
 * Where the shell is killed too, the next start stops what is left.
 */
export function guardServer(server: Server, account: Account): Disposable {
  const shell = spawn('/bin/sh', ['-c', 'read _; kill -INT "$1"', 'sh', String(server.pid)], {
    ...spawnOptions(account),
    stdio: ['pipe', 'ignore', 'ignore'],
    detached: true,
  })
  shell.on('error', () => {})
  shell.unref()
  if (shell.stdin instanceof Socket) shell.stdin.unref()
  // The process id may be another's once the server has ended.
  const dismiss = () => void shell.kill('SIGKILL')
  void server.exited.then(dismiss)
  return { [Symbol.dispose]: dismiss }
}
