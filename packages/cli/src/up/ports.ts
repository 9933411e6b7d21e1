import { createServer } from 'node:net'
import { CliError } from '../exit.ts'

/** What listens where, and the variable that moves it. */
export interface Listener {
  what: string
  host: string
  port: number
  variable: string
}

/** @throws CliError naming every port that cannot be had */
export async function requireFreePorts(listeners: readonly Listener[]): Promise<void> {
  const problems = await Promise.all(listeners.map(findProblem))
  const found = problems.filter((problem) => problem !== undefined)
  if (found.length === 0) return
  throw new CliError(found.join('; '), { hint: 'is another `muster up` running? `muster doctor` looks for it' })
}

async function findProblem({ what, host, port, variable }: Listener): Promise<string | undefined> {
  const code = await tryToListen(host, port)
  if (code === undefined) return undefined
  const reasons: Record<string, string> = { EADDRINUSE: 'is taken', EACCES: 'may not be used by this user' }
  if (code === 'EADDRNOTAVAIL') return `${host} is not an address of this machine: set MUSTER_HOST`
  return `port ${port} (${what}) ${reasons[code] ?? `cannot be used (${code})`}: free it or set ${variable}`
}

function tryToListen(host: string, port: number): Promise<string | undefined> {
  return new Promise((resolve) => {
    const server = createServer()
    server.on('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message))
    server.listen({ host, port }, () => server.close(() => resolve(undefined)))
  })
}
