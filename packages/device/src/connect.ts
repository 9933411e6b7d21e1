import { MusterError } from '@muster/contracts'
import { type IClientOptions, MqttClient, type OnMessageCallback, type Packet } from 'mqtt'
import { Link } from './connection/link.ts'
import { markDuplicates } from './connection/mark-duplicates.ts'
import { rememberLink } from './connection/present-renewed.ts'
import { refusalOf } from './connection/refusal.ts'
import { askWhy } from './renewal/ask-why.ts'
import { pauseMs } from './retry.ts'
import type { DeviceStore } from './store/device-store.ts'
import { loadCredentials } from './store/load-credentials.ts'
import { clockOf } from './trust/device-clock.ts'
import type { Surroundings } from './trust/dial.ts'
import { serverDistrust } from './trust/server-distrust.ts'

export interface ConnectOptions extends IClientOptions, Surroundings {
  store: DeviceStore
  /** The broker, where it is not the one that the enrolment named: `mqtts://host:port`. */
  url?: string
  signal?: AbortSignal
  /** A listener for messages that misses none: what waited in a kept session comes with the admission, before this function has resolved. */
  onMessage?: OnMessageCallback
  /** The longest pause between two attempts. */
  maxReconnectMs?: number
  /** The pause after a refusal: a suspended device may be resumed, but not within seconds. */
  refusedRetryMs?: number
}

interface Pauses {
  maxMs: number
  refusedMs: number
  /** Asks what a broker that only hangs up does not say. */
  why(): Promise<MusterError | undefined>
}

const steadyMs = 30_000

/**
 * An mqtt.js client in the name of the device: mutual TLS with what the store holds at every connection, MQTT 5 unless `protocolVersion`
 * says otherwise. Resolves when the broker has admitted it, and from then on it reconnects by itself; until then it keeps trying.
 * @throws MusterError with the broker's code (MQTT 5) or `forbidden` if it refuses the device, the provisioner's code if the broker only hangs up and that knows why, `certificate-untrusted` if the device refuses the broker
 */
export async function connect(options: ConnectOptions): Promise<MqttClient> {
  const { store, url, signal, dial, now, onMessage, ...others } = options
  const { maxReconnectMs = 60_000, refusedRetryMs = 300_000, ...mqttOptions } = others
  signal?.throwIfAborted()
  const { enrolment } = await loadCredentials(store)
  const link = new Link(store, url ?? enrolment.mqtt.url, await clockOf(store, now), dial)
  // An end that came while the store was read would never be heard of.
  signal?.throwIfAborted()
  const client = new MqttClient(() => link.openStream(), {
    protocolVersion: 5,
    clientId: enrolment.mqtt.clientId,
    log: () => undefined,
    ...mqttOptions,
    reconnectPeriod: 1_000,
    reconnectOnConnackError: true,
  })
  rememberLink(client, link)
  markDuplicates(client)
  if (onMessage) client.on('message', onMessage)
  const admitted = admission(client, link, signal)
  const ending = new AbortController()
  client.once('end', () => ending.abort())
  const why = () => askWhy(store, { dial, now, signal: ending.signal })
  spreadReconnects(client, link, { maxMs: maxReconnectMs, refusedMs: refusedRetryMs, why })
  try {
    await admitted
    await link.settled()
  } catch (error) {
    client.end(true)
    throw error
  }
  return client
}

/** Sets the pause before each next attempt; mqtt.js has a fixed one, and a fleet must not come back in step. */
function spreadReconnects(client: MqttClient, link: Link, { maxMs, refusedMs, why }: Pauses): void {
  let failures = 0
  let connectedAt: number | undefined
  let refusal: { hasAlternative: boolean } | undefined
  /** Of the provisioner. */
  let verdict: MusterError | undefined
  const learnWhy = async () => {
    verdict = await why()
    // As where the broker says it itself.
    if (verdict) client.emit('error', verdict)
  }
  const setPause = () => {
    client.options.reconnectPeriod = choosePause()
  }
  const choosePause = () => {
    if (link.isPrepared) return 1
    if (refusal?.hasAlternative) return pauseMs(0, { maxMs })
    if (refusal || verdict) return pauseMs(0, { minMs: refusedMs, maxMs: refusedMs })
    return pauseMs(failures, { maxMs })
  }
  client.on('connect', () => {
    connectedAt = performance.now()
    verdict = undefined
    link.noteAdmission()
  })
  // After a refusing CONNACK mqtt.js sets its timer at once, otherwise when the connection has closed.
  client.on('packetreceive', (packet) => {
    link.noteAnswer()
    const refused = refusal ? undefined : refusalOf(packet)
    if (refused) refusal = { hasAlternative: link.noteRefusal(refused) }
    if (refusal) setPause()
  })
  client.prependListener('close', () => {
    const steady = connectedAt !== undefined && performance.now() - connectedAt > steadyMs
    failures = steady ? 0 : failures + 1
    if (connectedAt === undefined && !refusal && link.noteFailure()) void learnWhy()
    connectedAt = undefined
    setPause()
    refusal = undefined
  })
  // With a listener, an error of the network does not end the process; the client carries on by itself.
  client.on('error', () => undefined)
}

function admission(client: MqttClient, link: Link, signal: AbortSignal | undefined): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>()
  const onConnect = () => resolve()
  const onAbort = () => reject(signal?.reason)
  const onPacket = (packet: Packet) => {
    const refusal = refusalOf(packet)
    if (refusal && !link.hasAlternativeTo(refusal)) reject(refusal)
  }
  const onError = (error: Error) => {
    const distrust = error instanceof MusterError ? error : serverDistrust(error, 'the broker')
    if (distrust instanceof MusterError && !link.hasAlternative) reject(distrust)
  }
  client.on('connect', onConnect).on('packetreceive', onPacket).on('error', onError)
  signal?.addEventListener('abort', onAbort, { once: true })
  return promise.finally(() => {
    client.off('connect', onConnect).off('packetreceive', onPacket).off('error', onError)
    signal?.removeEventListener('abort', onAbort)
  })
}
