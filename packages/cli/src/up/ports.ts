import { createServer } from 'node:net'
import { CliError } from '../exit.ts'

/** What listens where, and the variable that moves it. */
export interface Listener {
  what: string
  host: string
  port: number
  variable: string
}

/** @throws CliError in one line, with every port that cannot be had and the variable that moves it */
export async function requireFreePorts(listeners: readonly Listener[]): Promise<void> {
  const tried = await Promise.all(listeners.map(async (each) => ({ ...each, code: await tryToListen(each) })))
  const failed = tried.filter(({ code }) => code !== undefined)
  const [first] = failed
  if (!first) return
  const { code, host } = first
  if (code === 'EADDRNOTAVAIL')
    throw new CliError(`${host} is not an address of this machine`, { hint: 'set MUSTER_HOST to one that is' })
  const reason = { EADDRINUSE: 'taken', EACCES: 'not for this user' }[code ?? ''] ?? `not to be had (${code})`
  const named = failed.map(({ what, port }) => `${port} (${what})`).join(', ')
  const subject = failed.length === 1 ? `port ${named} is` : `ports ${named} are`
  const variables = failed.map(({ variable }) => variable).join(', ')
  throw new CliError(`${subject} ${reason}; is another \`muster up\` running? Otherwise set ${variables}`)
}

function tryToListen({ host, port }: Listener): Promise<string | undefined> {
  return new Promise((resolve) => {
    const server = createServer()
    server.on('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message))
    server.listen({ host, port }, () => server.close(() => resolve(undefined)))
  })
}
