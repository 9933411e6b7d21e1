import { isIP } from 'node:net'
import { createSecureContext, type TLSSocket, connect as tlsConnect } from 'node:tls'
import { MusterError } from '@muster/contracts'
import { type IClientOptions, MqttClient, type Packet } from 'mqtt'
import { refusalOf } from './connection/refusal.ts'
import { serverDistrust } from './http/server-distrust.ts'
import { pauseMs } from './retry.ts'
import type { DeviceStore } from './store/device-store.ts'
import { type Credentials, loadCredentials } from './store/load-credentials.ts'

export interface ConnectOptions extends IClientOptions {
  store: DeviceStore
  /** The broker, where it is not the one that the enrolment named: `mqtts://host:port`. */
  url?: string
  signal?: AbortSignal
  /** The longest pause between two attempts. */
  maxReconnectMs?: number
  /** The pause after a refusal: a suspended device may be resumed, but not within seconds. */
  refusedRetryMs?: number
}

const steadyMs = 30_000

/**
 * An mqtt.js client in the name of the device: mutual TLS with the store's key, MQTT 5 unless `protocolVersion` says otherwise.
 * Resolves when the broker has admitted it, and from then on it reconnects by itself; until then it keeps trying.
 * @throws MusterError with the broker's code (MQTT 5) or `forbidden` if it refuses the device, `certificate-untrusted` if the device refuses the broker
 */
export async function connect(options: ConnectOptions): Promise<MqttClient> {
  const { store, url, signal, maxReconnectMs = 60_000, refusedRetryMs = 300_000, ...mqttOptions } = options
  signal?.throwIfAborted()
  const credentials = await loadCredentials(store)
  const openStream = createStreams(credentials, url ?? credentials.enrolment.mqtt.url)
  const client = new MqttClient(openStream, {
    protocolVersion: 5,
    clientId: credentials.enrolment.mqtt.clientId,
    log: () => undefined,
    ...mqttOptions,
    reconnectPeriod: 1_000,
    reconnectOnConnackError: true,
  })
  spreadReconnects(client, maxReconnectMs, refusedRetryMs)
  try {
    await admission(client, signal)
  } catch (error) {
    client.end(true)
    throw error
  }
  return client
}

function createStreams({ key, certificate, roots }: Credentials, url: string): () => TLSSocket {
  const target = URL.parse(url)
  if (target?.protocol !== 'mqtts:')
    throw new MusterError('request-invalid', 'the broker must be like mqtts://host:8883')
  const host = target.hostname.replace(/^\[|\]$/g, '')
  const secureContext = createSecureContext({
    key: key.export({ type: 'pkcs8', format: 'pem' }),
    cert: certificate,
    ca: roots,
    minVersion: 'TLSv1.2',
  })
  let session: Buffer | undefined
  return () => {
    const socket = tlsConnect({
      host,
      port: Number(target.port || 8_883),
      secureContext,
      rejectUnauthorized: true,
      ...(isIP(host) === 0 && { servername: host }),
      ...(session && { session }),
    })
    socket.setNoDelay(true)
    socket.on('session', (ticket) => {
      session = ticket
    })
    socket.on('error', () => {
      session = undefined
    })
    return socket
  }
}

/** Sets the pause before each next attempt; mqtt.js has a fixed one, and a fleet must not come back in step. */
function spreadReconnects(client: MqttClient, maxMs: number, refusedMs: number): void {
  let failures = 0
  let connectedAt: number | undefined
  let refused = false
  const setPause = () => {
    const pause = refused ? pauseMs(0, { minMs: refusedMs, maxMs: refusedMs }) : pauseMs(failures, { maxMs })
    client.options.reconnectPeriod = pause
  }
  client.on('connect', () => {
    connectedAt = performance.now()
  })
  // After a refusing CONNACK mqtt.js sets its timer at once, otherwise when the connection has closed.
  client.on('packetreceive', (packet) => {
    refused ||= refusalOf(packet) !== undefined
    if (refused) setPause()
  })
  client.prependListener('close', () => {
    const steady = connectedAt !== undefined && performance.now() - connectedAt > steadyMs
    failures = steady ? 0 : failures + 1
    connectedAt = undefined
    setPause()
    refused = false
  })
  // With a listener, an error of the network does not end the process; the client carries on by itself.
  client.on('error', () => undefined)
}

function admission(client: MqttClient, signal: AbortSignal | undefined): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>()
  const onConnect = () => resolve()
  const onAbort = () => reject(signal?.reason)
  const onPacket = (packet: Packet) => {
    const refusal = refusalOf(packet)
    if (refusal) reject(refusal)
  }
  const onError = (error: Error) => {
    const distrust = serverDistrust(error, 'the broker')
    if (distrust instanceof MusterError) reject(distrust)
  }
  client.on('connect', onConnect).on('packetreceive', onPacket).on('error', onError)
  signal?.addEventListener('abort', onAbort, { once: true })
  return promise.finally(() => {
    client.off('connect', onConnect).off('packetreceive', onPacket).off('error', onError)
    signal?.removeEventListener('abort', onAbort)
  })
}
