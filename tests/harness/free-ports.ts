import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import { createServer, type ListenOptions, type Server } from 'node:net'

// Browsers refuse 10080.
const lowest = 10_100
/** For as long as this process lives: the kernel gives the names back, however it ends. */
const leases = new Map<number, Server>()

/**
 * Ports nobody listens on, and no other test is given while this process lives: between choice and use, and while a process is
 * killed and started again, they would be anybody's. They lie below those that the kernel hands out by itself.
 */
export async function freePorts(count: number): Promise<number[]> {
  const beyond = await firstOfKernel()
  const ports: number[] = []
  while (ports.length < count) {
    const port = lowest + Math.floor(Math.random() * (beyond - lowest))
    if (!leases.has(port) && (await lease(port))) ports.push(port)
  }
  return ports
}

async function lease(port: number): Promise<boolean> {
  const held = await tryListen({ path: `\0muster-test-port-${port}` })
  if (!held) return false
  leases.set(port, held.unref())
  const probe = await tryListen({ port, host: '127.0.0.1' })
  if (!probe) return false
  await new Promise((resolve) => probe.close(resolve))
  return true
}

async function tryListen(on: ListenOptions): Promise<Server | undefined> {
  const server = createServer().listen(on)
  return once(server, 'listening').then(
    () => server,
    () => undefined,
  )
}

/** From here on the kernel takes ports for connections, and for whoever leaves the choice to it. */
async function firstOfKernel(): Promise<number> {
  const [first = 0] = (await readFile('/proc/sys/net/ipv4/ip_local_port_range', 'utf8')).split('\t').map(Number)
  return first > lowest + 5_000 ? first : 60_000
}
