import { once } from 'node:events'
import { connect, type SecureVersion, type TLSSocket } from 'node:tls'
import { generate, type IConnectPacket, type Packet, parser } from 'mqtt-packet'
import type { EnrolledDevice } from './stack.ts'

export type TlsCredentials = EnrolledDevice['credentials']

/** A TLS connection to the broker with the device's own certificate, without an MQTT client in between. */
export async function openTls(
  stack: { ca: string; ports: { mqtt: number } },
  { key, cert }: Partial<TlsCredentials>,
  options: { version?: SecureVersion; session?: Buffer } = {},
) {
  const socket = connect({
    host: 'localhost',
    port: stack.ports.mqtt,
    servername: 'localhost',
    ca: stack.ca,
    ...(key && { key }),
    ...(cert && { cert }),
    ...(options.version ? { minVersion: options.version, maxVersion: options.version } : {}),
    ...(options.session ? { session: options.session } : {}),
  })
  socket.on('error', () => {})
  let latest: Buffer | undefined
  const gotSession = new Promise<Buffer>((resolve) =>
    socket.on('session', (session: Buffer) => {
      latest = session
      resolve(session)
    }),
  )
  await once(socket, 'secureConnect')
  // A resumed session is not always given a new ticket: the one it came with is still good then.
  return { socket, session: async () => latest ?? options.session ?? (await gotSession) }
}

/** Sends CONNECT and answers the first packet that comes back, or undefined when the connection closes without one. */
export function sendConnect(
  socket: TLSSocket,
  clientId: string,
  options: Partial<IConnectPacket> = {},
): Promise<Packet | undefined> {
  const protocolVersion = options.protocolVersion ?? 4
  const packets = parser({ protocolVersion })
  return new Promise((resolve) => {
    packets.once('packet', resolve)
    packets.once('error', () => resolve(undefined))
    socket.on('data', (chunk) => packets.parse(chunk))
    socket.once('close', () => resolve(undefined))
    socket.write(
      generate({
        cmd: 'connect',
        protocolId: 'MQTT',
        protocolVersion,
        clean: true,
        keepalive: 30,
        clientId,
        ...options,
      }),
    )
  })
}
