import { setTimeout as sleep } from 'node:timers/promises'
import type { MqttClient } from 'mqtt'
import type { Link } from './link.ts'

const links = new WeakMap<MqttClient, Link>()
// MQTT §3.14: no will is to be published, and the session stays as long as it was agreed.
const disconnectPacket = Buffer.of(0xe0, 0)
const drainMs = 500
const leaveMs = 1_000
const drainStepMs = 20

/** Lets `presentRenewed` find the connection behind a client. */
export function rememberLink(client: MqttClient, link: Link): void {
  links.set(client, link)
}

/**
 * Changes a client of `connect` over to the certificate that its store holds now. The new connection is opened, and the broker verified,
 * before the old one is left: what remains between is one CONNECT, as one device has one session.
 * Resolves when the broker has answered, or `signal` ends the wait; the store then tells how.
 */
export async function presentRenewed(client: MqttClient, signal: AbortSignal): Promise<void> {
  const link = links.get(client)
  if (!link) throw new TypeError('this client is not one of connect()')
  try {
    if (client.connected) await leaveFor(link, client, signal)
    // Not in the pause that a refusal of the old certificate has earned.
    else if (client.reconnecting && client.stream.destroyed) client.connect()
    await nextAnswer(client, signal)
  } finally {
    link.discardPrepared()
  }
  await link.settled()
}

async function leaveFor(link: Link, client: MqttClient, signal: AbortSignal): Promise<void> {
  await link.prepare(signal)
  await drained(client)
  const { stream } = client
  if (!client.connected || stream.destroyed) return
  const { promise: left, resolve } = Promise.withResolvers<void>()
  client.once('close', resolve)
  const hurry = setTimeout(() => stream.destroy(), leaveMs)
  stream.end(disconnectPacket, () => stream.destroy())
  await left
  clearTimeout(hurry)
}

/** The next admission, or the next end of an attempt. */
async function nextAnswer(client: MqttClient, signal: AbortSignal): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>()
  const onAnswer = () => resolve()
  client.on('connect', onAnswer).on('close', onAnswer)
  signal.addEventListener('abort', onAnswer, { once: true })
  if (signal.aborted) resolve()
  await promise
  client.off('connect', onAnswer).off('close', onAnswer)
  signal.removeEventListener('abort', onAnswer)
}

/** Waits a moment for what is under way to be acknowledged; the rest is sent again. */
async function drained(client: MqttClient): Promise<void> {
  const end = performance.now() + drainMs
  while (Object.keys(client.outgoing).length > 0 && performance.now() < end) await sleep(drainStepMs)
}
