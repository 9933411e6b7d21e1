/**
 * Lets a suite that speaks plain MQTT and chooses its own client ids test a broker behind mutual TLS.
 * `node tests/conformance/plain-gateway.ts [--port 1883] [--client-id a …] [-- command …]`: starts a platform, listens on the
 * loopback, enrols a device for each client id (those named at once, others when it sees them), and carries its bytes over a
 * TLS connection with that device's certificate. With a command it runs that and ends with its exit code; `{port}` in it
 * stands for the port.
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { type AddressInfo, createServer, type Socket } from 'node:net'
import { connect as connectTls } from 'node:tls'
import { parseArgs } from 'node:util'
import { Policy } from '@muster/contracts'
import type { Identity } from '@muster/device-sim/load'
import { type Platform, startPlatform } from '../harness/platform.ts'
import { readFirstPacket, renameClient } from './rename-client.ts'

/** Suites use whatever topics they like; `$`-topics stay closed, and one filter is not allowed, as some want to see that. */
const wide = Policy.parse({
  name: 'wide',
  allow: [{ publish: ['#'], retain: true, qos: 2, payload: '256KiB' }, { subscribe: ['#'] }],
  deny: [{ subscribe: ['test/nosubscribe'] }],
  limits: { messagesPerSecond: 100_000, bytesPerSecond: '256MiB', subscriptions: 1_000 },
})

async function openPlainGateway(platform: Platform, port: number, clientIds: string[]) {
  await platform.createPolicy(wide)
  const identities = new Map<string, Promise<Identity>>()
  let spares = 0
  const identityOf = (clientId: string) => {
    const name = clientId === '' ? `spare-${++spares}` : nameFor(clientId)
    let identity = identities.get(name)
    if (!identity) {
      identity = platform
        .enrol([name], { profile: 'service', policy: wide.name })
        .then(([enrolled]) => enrolled ?? Promise.reject(new Error(`${name} was not enrolled`)))
      identities.set(name, identity)
    }
    return identity
  }
  // Suites wait for seconds only, and an enrolment on a busy machine can take that long.
  for (const clientId of clientIds) await greet(platform, await identityOf(clientId))
  const server = createServer((socket) => {
    socket.on('error', () => {})
    carry(platform, socket, identityOf).catch(() => socket.destroy())
  })
  server.listen(port, '127.0.0.1')
  await once(server, 'listening')
  return {
    port: (server.address() as AddressInfo).port,
    async [Symbol.asyncDispose]() {
      server.close()
    },
  }
}

function openTls({ nodes: [node], ca }: Platform, { key, cert }: Identity) {
  const socket = connectTls({ host: '127.0.0.1', port: node?.port, servername: 'localhost', ca, key, cert })
  return socket.on('error', () => {})
}

/** The first handshakes of a process are its slowest, and a suite waits 0.3 s for its CONNACK. */
async function greet(platform: Platform, identity: Identity): Promise<void> {
  const socket = openTls(platform, identity)
  await once(socket, 'secureConnect')
  socket.destroy()
}

async function carry(platform: Platform, plain: Socket, identityOf: (clientId: string) => Promise<Identity>) {
  const first = await readFirstPacket(plain)
  if (!first) return
  const identity = await identityOf(first.clientId ?? '')
  const secure = openTls(platform, identity)
  secure.write(first.clientId ? renameClient(first.bytes, identity.id) : first.bytes)
  plain.pipe(secure)
  secure.pipe(plain)
  // What it has sent last, its DISCONNECT, still has to arrive.
  plain.on('close', () => secure.destroySoon())
  // Ended, not reset: what the broker said last must reach a client that is still sending.
  secure.on('close', () => {
    plain.end()
    plain.resume()
    setTimeout(() => plain.destroy(), 5_000).unref()
  })
}

/** A name that a certificate may carry. */
function nameFor(clientId: string): string {
  const name = clientId.toLowerCase().replaceAll(/[^a-z0-9._-]/g, '-')
  return `suite-${name}`.slice(0, 63)
}

if (import.meta.main) {
  const { values, positionals } = parseArgs({
    options: { port: { type: 'string', default: '0' }, 'client-id': { type: 'string', multiple: true, default: [] } },
    allowPositionals: true,
  })
  await using platform = await startPlatform({ brokerEnv: { MUSTER_KEEP_ALIVE: '1m' } })
  await using gateway = await openPlainGateway(platform, Number(values.port), values['client-id'])
  console.log(`plain MQTT on 127.0.0.1:${gateway.port}`)
  const [command, ...args] = positionals.map((word) => word.replaceAll('{port}', String(gateway.port)))
  if (command) {
    const [code] = await once(spawn(command, args, { stdio: 'inherit' }), 'exit')
    process.exitCode = code ?? 1
  } else await once(process, 'SIGINT')
}
