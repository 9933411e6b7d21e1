import { createHash } from 'node:crypto'
import { stat } from 'node:fs/promises'
import net from 'node:net'
import { MusterError } from '@muster/contracts'

/**
 * Holds a directory for this process. The lock is a name in Linux' abstract socket namespace: it can be bound
 * once, is no file that could be left behind, and the kernel frees it however its holder ends.
 * The holder answers a connection with its process id.
 */
export async function lockDirectory(directory: string): Promise<AsyncDisposable> {
  const { dev, ino } = await stat(directory)
  const name = `\0muster-postgres-${createHash('sha256').update(`${dev}:${ino}`).digest('hex').slice(0, 32)}`
  const server = net.createServer((socket) => {
    socket.on('error', () => {})
    socket.end(String(process.pid))
  })
  server.unref()
  if (!(await listen(server, name))) {
    const owner = await askOwner(name)
    throw new MusterError('conflict', `${directory} is in use by another Muster${owner}; stop that one first`)
  }
  return { [Symbol.asyncDispose]: () => new Promise((resolve) => server.close(() => resolve())) }
}

function listen(server: net.Server, path: string): Promise<boolean> {
  return new Promise((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) =>
      error.code === 'EADDRINUSE' ? resolve(false) : reject(error),
    )
    server.listen({ path }, () => resolve(true))
  })
}

function askOwner(path: string): Promise<string> {
  return new Promise((resolve) => {
    const socket = net.connect({ path }).setEncoding('utf8').setTimeout(1000)
    socket.once('data', (pid) => resolve(` (process ${String(pid).replace(/\D/g, '')})`))
    for (const event of ['timeout', 'error', 'close']) socket.once(event, () => resolve(''))
    socket.once('timeout', () => socket.destroy())
  })
}
