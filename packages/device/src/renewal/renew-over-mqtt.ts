import { type KeyObject, X509Certificate } from 'node:crypto'
import { Enrolment, type ErrorCode, MusterError, renewalTopics } from '@muster/contracts'
import { createRenewalProof } from '@muster/pki'
import type { MqttClient } from 'mqtt'
import { problemOf } from '../http/read-json.ts'
import { TemporaryFailure } from '../http/temporary-failure.ts'
import { type Credentials, certifies } from '../store/load-credentials.ts'

const timeoutMs = 30_000
const temporary = new Set<ErrorCode>(['unavailable', 'internal', 'rate-limited'])

export interface MessageRenewal {
  /** The current ones: their key signs the proof. */
  credentials: Credentials
  /** DER. */
  csr: Uint8Array
  /** The one that `csr` is for. */
  key: KeyObject
  /** By the device's clock, right or wrong. */
  at: Date
  signal: AbortSignal | undefined
}

/**
 * Renews through the broker, which passes on a request that it could not have made and an answer that it could not have signed.
 * @throws MusterError with the provisioner's code, TemporaryFailure where asking again makes sense
 */
export async function renewOverMqtt(client: MqttClient, renewal: MessageRenewal): Promise<Enrolment> {
  const { credentials, csr, key, at } = renewal
  if (!client.connected) throw unavailable('the broker cannot be reached')
  const { fleet, id: device } = credentials.enrolment.device
  const topics = renewalTopics({ fleet, device })
  const serial = new X509Certificate(credentials.enrolment.certificate).serialNumber.toLowerCase()
  const proof = createRenewalProof({ serial, key: credentials.key, csr, at })

  const deadline = AbortSignal.timeout(timeoutMs)
  const signal = renewal.signal ? AbortSignal.any([renewal.signal, deadline]) : deadline
  const answer = nextAnswer(client, topics.response, key, signal)
  // It is waited for below, if the request goes out at all.
  answer.catch(() => undefined)
  try {
    const sent = client
      .subscribeAsync(topics.response, { qos: 1 })
      .then(() => client.publishAsync(topics.request, JSON.stringify(proof), { qos: 1 }))
      .then(() => answer)
    return await Promise.race([sent, answer])
  } catch (error) {
    renewal.signal?.throwIfAborted()
    if (deadline.aborted) throw unavailable(`no answer in ${timeoutMs} ms`, error)
    if (error instanceof MusterError || error instanceof TemporaryFailure) throw error
    throw unavailable(error instanceof Error ? error.message : 'the broker would not pass it on', error)
  } finally {
    if (client.connected) client.unsubscribe(topics.response, () => undefined)
  }
}

async function nextAnswer(client: MqttClient, from: string, key: KeyObject, signal: AbortSignal): Promise<Enrolment> {
  const { promise, resolve, reject } = Promise.withResolvers<Enrolment>()
  const onMessage = (topic: string, payload: Buffer) => {
    if (topic !== from) return
    const json = parseJson(payload)
    const enrolment = Enrolment.safeParse(json).data
    // One for another key answers an earlier request, or is none of ours.
    if (enrolment && isFor(enrolment, key)) resolve(enrolment)
    const problem = problemOf(json)
    if (problem) reject(temporary.has(problem.code) ? new TemporaryFailure(problem) : problem)
  }
  const onAbort = () => reject(signal.reason)
  client.on('message', onMessage)
  signal.addEventListener('abort', onAbort, { once: true })
  if (signal.aborted) onAbort()
  try {
    return await promise
  } finally {
    client.off('message', onMessage)
    signal.removeEventListener('abort', onAbort)
  }
}

function isFor({ certificate }: Enrolment, key: KeyObject): boolean {
  try {
    return certifies(certificate, key)
  } catch {
    return false
  }
}

function parseJson(payload: Buffer): unknown {
  try {
    return JSON.parse(payload.toString('utf8'))
  } catch {
    return undefined
  }
}

function unavailable(why: string, cause?: unknown): TemporaryFailure {
  return new TemporaryFailure(new MusterError('unavailable', `renewal over MQTT: ${why}`, { cause }))
}
