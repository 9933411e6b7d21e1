import type { KeyObject } from 'node:crypto'
import { type Enrolment, type ErrorCode, MusterError } from '@muster/contracts'
import { createCsr, encodePem, generateKey, type KeyAlgorithm } from '@muster/pki'
import type { MqttClient } from 'mqtt'
import { connect } from './connect.ts'
import { adoptRoots, fingerprintsOf } from './enrolment/adopt-roots.ts'
import { requireValidEnrolment } from './enrolment/require-valid-enrolment.ts'
import { TemporaryFailure } from './http/temporary-failure.ts'
import { requestRenewal } from './renewal/ask-provisioner.ts'
import { confirmNext } from './renewal/confirm-next.ts'
import { renewOverMqtt } from './renewal/renew-over-mqtt.ts'
import { type RetryOptions, retry } from './retry.ts'
import type { DeviceStore, StoredEnrolment } from './store/device-store.ts'
import { type Credentials, loadCredentials } from './store/load-credentials.ts'
import { clockOf, type DeviceClock } from './trust/device-clock.ts'
import type { Dial, Surroundings } from './trust/dial.ts'

export interface RenewOptions extends RetryOptions, Surroundings {
  store: DeviceStore
  /** For a new key. It is durable before anybody hears of it, and the old one stays until the new certificate has been admitted. */
  newKey?: boolean | undefined
  keyAlgorithm?: KeyAlgorithm | undefined
  /** One of `connect`, for renewal over MQTT where the provisioner cannot be reached; without it a connection is made for that. */
  client?: MqttClient | undefined
}

export interface Renewal {
  enrolment: Enrolment
  /** `store`: an earlier renewal had got so far, and nobody could be asked to take note of it. */
  by: 'https' | 'mqtt' | 'store'
}

const connectMs = 10_000
/** The new key is what the provisioner does not want. */
const keyRefusals = new Set<ErrorCode>(['key-in-use', 'key-not-allowed', 'csr-invalid'])

/**
 * Gets the certificate that follows the current one and stores it beside it; the next connection presents it.
 * Safe to interrupt anywhere and to call again; goes on trying through failures of the network until `signal` ends it.
 * @throws MusterError with the server's code for a refusal, `certificate-missing` before enrolment
 */
export async function renew(options: RenewOptions): Promise<Renewal> {
  const { store, signal, dial, now } = options
  // Step 1: a renewal that was interrupted comes first.
  const { url } = await requireStored(store)
  const clock = await clockOf(store, now)
  const isOpen = await confirmNext(store, { url, clock, dial, signal })
  const next = isOpen ? await store.loadNext() : undefined
  if (next) return { enrolment: next.enrolment, by: 'store' }

  // Step 2: a new key is durable before anybody hears of it.
  const credentials = await loadCredentials(store)
  const key = await chooseKey(options, credentials)
  const request: Request = {
    ...{ store, url, clock, credentials, key, signal, dial, client: options.client },
    csr: createCsr(key, credentials.enrolment.device.id),
    unreachable: 0,
  }
  try {
    return await retry(() => attempt(request), options)
  } catch (error) {
    if (error instanceof MusterError && keyRefusals.has(error.code) && key !== credentials.key) await store.dropNext()
    throw error
  }
}

interface Request {
  store: DeviceStore
  url: string
  clock: DeviceClock
  dial: Dial | undefined
  /** The current ones. */
  credentials: Credentials
  key: KeyObject
  csr: Buffer
  client: MqttClient | undefined
  signal: AbortSignal | undefined
  /** How often nobody was there. */
  unreachable: number
}

async function attempt(request: Request): Promise<Renewal> {
  const { store, credentials, key, url } = request
  // Step 3
  const renewal = await askProvisioner(request)
  const { enrolment, by } = renewal
  // Step 4
  requireValidEnrolment(enrolment, key, credentials.roots)
  requireSameDevice(enrolment, credentials.enrolment)
  // A broker need not be trusted with an answer; so it may not bring roots.
  const roots = by === 'https' ? adoptRoots(credentials.roots, enrolment) : credentials.roots
  // Step 5
  await store.saveNext({ version: 1, url, roots, enrolment })
  return renewal
}

async function askProvisioner(request: Request): Promise<Renewal> {
  const { credentials, csr, url, clock, dial, signal } = request
  const body = {
    csr: encodePem('CERTIFICATE REQUEST', csr),
    deviceTime: clock.local().toISOString(),
    roots: fingerprintsOf(credentials.roots),
  }
  try {
    return { enrolment: await requestRenewal({ url, credentials, clock, dial, signal }, body), by: 'https' }
  } catch (failure) {
    if (!isUnreachable(failure)) throw failure
    request.unreachable += 1
    // An answer may just have been lost.
    if (request.unreachable < 2) throw failure
    try {
      return { enrolment: await askThroughBroker(request), by: 'mqtt' }
    } catch (second) {
      throw isVerdict(second) ? second : failure
    }
  }
}

async function askThroughBroker(request: Request): Promise<Enrolment> {
  const { client, store, clock, dial, signal } = request
  const renewal = { ...request, at: clock.local() }
  if (client) return renewOverMqtt(client, renewal)
  const deadline = AbortSignal.timeout(connectMs)
  try {
    const own = await connect({ store, dial, signal: signal ? AbortSignal.any([signal, deadline]) : deadline })
    try {
      return await renewOverMqtt(own, renewal)
    } finally {
      await own.endAsync(true)
    }
  } catch (cause) {
    signal?.throwIfAborted()
    if (!deadline.aborted) throw cause
    throw new TemporaryFailure(new MusterError('unavailable', 'the broker cannot be reached', { cause }))
  }
}

/** Nobody was there; a provisioner that asks for patience is not to be asked by another way. */
function isUnreachable(failure: unknown): boolean {
  return failure instanceof TemporaryFailure && failure.error.code !== 'rate-limited' && failure.afterMs === undefined
}

/** What a broker says that lets nobody of this kind in, a server for one, is none of the provisioner's. */
function isVerdict(error: unknown): boolean {
  return !(error instanceof TemporaryFailure || (error instanceof MusterError && error.code === 'forbidden'))
}

async function chooseKey(options: RenewOptions, { key }: Credentials): Promise<KeyObject> {
  const { store, newKey, keyAlgorithm } = options
  // One that is there already belongs to a renewal whose answer was lost.
  const begun = await store.loadNextKey()
  if (begun) return begun
  return newKey ? store.addNextKey(await generateKey(keyAlgorithm)) : key
}

async function requireStored(store: DeviceStore): Promise<StoredEnrolment> {
  const stored = await store.loadEnrolment()
  if (!stored) throw new MusterError('certificate-missing', 'the device has not enrolled')
  return stored
}

function requireSameDevice(renewed: Enrolment, current: Enrolment): void {
  if (renewed.device.id !== current.device.id || renewed.device.fleet !== current.device.fleet)
    throw new MusterError('certificate-untrusted', 'the renewed certificate is for another device')
}
