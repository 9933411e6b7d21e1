import { once } from 'node:events'
import type { Server } from 'node:net'
import { MusterError } from '@muster/contracts'

/** @throws MusterError `conflict` that says what to do: `setting` names the port */
export async function listenOn(server: Server, host: string, port: number, setting: string): Promise<void> {
  server.listen(port, host)
  try {
    await once(server, 'listening')
  } catch (cause) {
    const code = (cause as NodeJS.ErrnoException).code
    const why =
      code === 'EADDRINUSE' ? 'is taken' : code === 'EACCES' ? 'needs privileges' : `cannot be listened on (${code})`
    throw new MusterError('conflict', `port ${port} on ${host} ${why}: choose another with ${setting}`, { cause })
  }
}
