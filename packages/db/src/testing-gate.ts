import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type NetConnectOpts, type Socket } from 'node:net'

/** Stands between a process and its PostgreSQL, and takes that away. */
export interface DatabaseGate extends AsyncDisposable {
  /** The same database, through the gate. */
  urlOf(direct: string): string
  /** `refuse`: connections break, and no new ones are to be had; `freeze`: they stay, and nothing comes through. */
  close(how: 'refuse' | 'freeze'): Promise<void>
  open(): Promise<void>
}

/** The host in `urlOf` may be a directory with a socket in it, as PostgreSQL has it. */
export async function openDatabaseGate(): Promise<DatabaseGate> {
  let target: NetConnectOpts | undefined
  let frozen = false
  const pairs = new Set<readonly [Socket, Socket]>()

  const server = createServer((near) => {
    if (!target) return void near.destroy()
    const far = connect(target)
    const pair = [near, far] as const
    pairs.add(pair)
    for (const [from, to] of [pair, [far, near] as const]) {
      from.on('error', () => {})
      from.on('data', (bytes) => to.write(bytes))
      from.on('close', () => {
        to.destroy()
        pairs.delete(pair)
      })
      if (frozen) from.pause()
    }
  })
  const listen = async (port: number) => {
    server.listen(port, '127.0.0.1')
    await once(server, 'listening')
  }
  await listen(0)
  const { port } = server.address() as AddressInfo

  return {
    urlOf(direct) {
      const url = new URL(direct)
      const directory = url.searchParams.get('host')
      target = directory
        ? { path: `${directory}/.s.PGSQL.${url.searchParams.get('port') ?? (url.port || '5432')}` }
        : { host: url.hostname, port: Number(url.port || 5_432) }
      for (const name of ['host', 'port']) url.searchParams.delete(name)
      const login = url.username + (url.password && `:${url.password}`)
      return `postgresql://${login}@127.0.0.1:${port}${url.pathname}${url.search}`
    },
    async close(how) {
      if (how === 'freeze') {
        frozen = true
        for (const pair of pairs) for (const socket of pair) socket.pause()
        return
      }
      const closed = once(server, 'close')
      server.close()
      for (const pair of pairs) for (const socket of pair) socket.destroy()
      await closed
    },
    async open() {
      frozen = false
      for (const pair of pairs) for (const socket of pair) socket.resume()
      if (!server.listening) await listen(port)
    },
    async [Symbol.asyncDispose]() {
      for (const pair of pairs) for (const socket of pair) socket.destroy()
      if (!server.listening) return
      server.close()
      await once(server, 'close')
    },
  }
}
