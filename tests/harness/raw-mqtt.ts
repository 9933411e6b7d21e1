import { once } from 'node:events'
import { connect, type SecureVersion, type TLSSocket } from 'node:tls'
import { generate, type IConnectPacket, type Packet, parser } from 'mqtt-packet'
import type { EnrolledDevice, Stack } from './stack.ts'

export interface TlsCredentials {
  key: string
  cert: string
}

/** A TLS connection to the broker with the device's own certificate, without an MQTT client in between. */
export async function openTls(
  stack: Stack,
  device: EnrolledDevice | TlsCredentials,
  options: { version?: SecureVersion; session?: Buffer } = {},
) {
  const credentials = 'store' in device ? await credentialsOf(device) : device
  const socket = connect({
    host: 'localhost',
    port: stack.ports.mqtt,
    servername: 'localhost',
    ca: stack.ca,
    ...credentials,
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
  return { socket, session: async () => latest ?? (await gotSession) }
}

export async function credentialsOf(device: EnrolledDevice): Promise<TlsCredentials> {
  const { key, certificate } = await device.store.credentials()
  return { key, cert: certificate }
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
