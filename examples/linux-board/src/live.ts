import { X509Certificate } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { setInterval, setTimeout as sleep } from 'node:timers/promises'
import type { Enrolment, MusterError } from '@muster/contracts'
import {
  connect,
  type DeviceStore,
  enrol,
  keepRenewed,
  loadCredentials,
  openStore,
  type RenewalEvent,
  refusalOf,
} from '@muster/device'
import type { MqttClient } from 'mqtt'
import { answer } from './answer.ts'
import { isFinal } from './exit-code.ts'
import { measure } from './measure.ts'

export interface Life {
  url: string
  claimFile: string
  directory: string
  everyMs: number
  /** The longest time between two questions when to renew. */
  pollMs: number
  signal: AbortSignal
}

const sessionSeconds = 7 * 86_400
const goodbyeMs = 2_000
const ignore = () => undefined

/** From whatever the directory holds to the end that `signal` asks for. @throws MusterError when the platform wants no more of this device */
export async function live({ url, claimFile, directory, everyMs, pollMs, signal }: Life): Promise<void> {
  // Step 1: what is there already, and what is missing of it.
  const store = await openStore(directory)
  const { device } = await enrolOnce(store, url, claimFile, signal)
  await sayWhoIAm(store, 'enrolled')

  // Step 2: a session that is kept, so that commands wait for a device that is away.
  const base = `fleets/${device.fleet}/devices/${device.id}`
  const connecting: Promise<MqttClient> = connect({
    ...{ store, signal, clean: false, properties: { sessionExpiryInterval: sessionSeconds } },
    onMessage: (topic, payload) => connecting.then((client) => obey(client, base, topic, payload)).catch(ignore),
  })
  const client = await connecting
  console.log('connected')
  const ended = Promise.withResolvers<never>()
  ended.promise.catch(ignore)
  signal.addEventListener('abort', () => ended.reject(signal.reason))
  endWhenRefused(client, ended.reject)
  // A certificate that ended in a drawer is let in for its renewal, and for nothing else: so again after that.
  const subscribe = () => client.subscribeAsync(`${base}/commands/#`, { qos: 1 }).catch(tell('no commands'))
  await subscribe()

  // Step 3: readings, and a certificate that never ends, until somebody says otherwise.
  const onEvent = (event: RenewalEvent) => {
    if (event.type === 'failed') tellFailure(event, ended.reject)
    if (event.type === 'admitted') void Promise.all([sayWhoIAm(store, 'renewed'), subscribe()])
  }
  try {
    await using _renewing = keepRenewed({ store, client, newKey: true, pollMs, onEvent })
    await Promise.race([publishReadings(client, `${base}/telemetry/board`, everyMs, signal), ended.promise])
  } finally {
    await leave(client, signal.aborted && client.connected)
  }
}

/** Does not wait for acknowledgements that may never come. */
async function leave(client: MqttClient, isPolite: boolean): Promise<void> {
  await Promise.race([client.endAsync(!isPolite), sleep(goodbyeMs)])
}

/** The claim is read only where it is needed: it may be gone after the first boot. */
async function enrolOnce(store: DeviceStore, url: string, claimFile: string, signal: AbortSignal): Promise<Enrolment> {
  const stored = await store.loadEnrolment()
  if (stored) return stored.enrolment
  const claim = (await readFile(claimFile, 'utf8')).trim()
  return enrol({
    ...{ url, claim, store, signal },
    onRetry: ({ error, delayMs }) => console.error(`again in ${Math.ceil(delayMs / 1_000)} s: ${error.message}`),
  })
}

async function publishReadings(client: MqttClient, topic: string, everyMs: number, signal: AbortSignal) {
  const publish = async () => {
    const reading = JSON.stringify(await measure())
    // Resolved when the platform has stored it. One is under way at a time, so nothing piles up while the network is away.
    const stored = client.publishAsync(topic, reading, { qos: 1 })
    await stored.then(() => console.log(`published ${reading}`)).catch(tell('a reading is not stored'))
  }
  await publish()
  for await (const _ of setInterval(everyMs, undefined, { signal })) await publish()
}

async function obey(client: MqttClient, base: string, topic: string, payload: Buffer): Promise<void> {
  const commands = `${base}/commands/`
  if (!topic.startsWith(commands)) return
  const command = topic.slice(commands.length)
  console.log(`command ${command}`)
  const result = await answer(command, payload)
  const answered = client.publishAsync(`${base}/events/commands/${command}`, JSON.stringify(result), { qos: 1 })
  await answered.catch(tell(`the answer to ${command} got lost`))
}

/** The client comes back by itself, also after a refusal; a device that is revoked need not try. */
function endWhenRefused(client: MqttClient, end: (refusal: MusterError) => void): void {
  client.on('packetreceive', (packet) => {
    const refusal = refusalOf(packet)
    if (!refusal) return
    if (isFinal(refusal)) end(refusal)
    else console.error(`refused for now: ${refusal.message}`)
  })
}

function tellFailure({ error, delayMs }: { error: MusterError; delayMs: number }, end: (refusal: MusterError) => void) {
  console.error(`renewal, again in ${Math.ceil(delayMs / 1_000)} s: ${error.message}`)
  if (isFinal(error)) end(error)
}

function tell(what: string): (error: Error) => void {
  return (error) => console.error(`${what}: ${error.message}`)
}

async function sayWhoIAm(store: DeviceStore, what: string): Promise<void> {
  const { certificate, enrolment } = await loadCredentials(store)
  const serial = new X509Certificate(certificate).serialNumber.toLowerCase()
  console.log(`${what} ${enrolment.device.id} ${serial}`)
}
