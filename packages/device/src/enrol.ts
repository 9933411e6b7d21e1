import { X509Certificate } from 'node:crypto'
import { type Enrolment, EnrolRequest, MusterError, parseClaimToken } from '@muster/contracts'
import { createCsr, encodePem, generateKey, type KeyAlgorithm } from '@muster/pki'
import { adoptRoots } from './enrolment/adopt-roots.ts'
import { type FetchedRoot, fetchRoot } from './enrolment/fetch-root.ts'
import { requestEnrolment } from './enrolment/request-enrolment.ts'
import { requireValidEnrolment } from './enrolment/require-valid-enrolment.ts'
import { type RetryOptions, retry } from './retry.ts'
import type { DeviceStore } from './store/device-store.ts'
import { clockOf } from './trust/device-clock.ts'
import type { Surroundings } from './trust/dial.ts'

export interface EnrolOptions extends RetryOptions, Surroundings {
  /** The provisioner, like `https://muster.example:8443`. */
  url: string
  claim: string
  store: DeviceStore
  /** The name, where the claim leaves the choice. */
  device?: string | undefined
  attributes?: Record<string, string> | undefined
  keyAlgorithm?: KeyAlgorithm | undefined
}

/**
 * Brings a device from a claim to a stored certificate; once there, answers what is stored and asks nobody.
 * Safe to interrupt anywhere and to call again; goes on trying through failures of the network until `signal` ends it.
 * @throws MusterError with the server's code for a refusal, `certificate-untrusted` for a server that is not the claim's
 */
export async function enrol(options: EnrolOptions): Promise<Enrolment> {
  const { store, signal, dial, now } = options
  const stored = await store.loadEnrolment()
  if (stored) return stored.enrolment
  const { rootFingerprint } = parseClaimToken(options.claim)
  const url = parseUrl(options.url)
  const chosen = parseChoices(options)

  // Step 1: the key is durable before anybody hears of it; the claim will be bound to it for ever.
  const key = (await store.loadKey()) ?? (await store.addKey(await generateKey(options.keyAlgorithm)))
  const request = {
    claim: options.claim,
    csr: encodePem('CERTIFICATE REQUEST', createCsr(key, chosen.device)),
    ...chosen,
  }

  const clock = await clockOf(store, now)
  let fetched: FetchedRoot | undefined
  return retry(async () => {
    // Step 2: the root, over a connection that is not trusted; the claim says which one it must be.
    fetched ??= await fetchRoot(url, rootFingerprint, { dial, signal })
    // Its connection is good for this attempt at most.
    using _ends = fetched
    const { root, kept } = fetched
    const { validFromDate, validToDate } = new X509Certificate(root)
    clock.bindBetween(validFromDate, validToDate)
    // Step 3: the claim, over a connection that this root vouches for: the same, if it does.
    const enrolment = await requestEnrolment(url, { roots: root, clock }, request, { dial, signal, kept })
    // Step 4
    requireValidEnrolment(enrolment, key, root)
    // Step 5
    await store.saveEnrolment({ version: 1, url: url.origin, roots: adoptRoots(root, enrolment), enrolment })
    return enrolment
  }, options)
}

function parseUrl(text: string): URL {
  const url = URL.parse(text)
  if (url?.protocol !== 'https:')
    throw new MusterError('request-invalid', 'url must be like https://muster.example:8443')
  return url
}

function parseChoices({ device, attributes }: EnrolOptions) {
  const choices = { ...(device !== undefined && { device }), ...(attributes && { attributes }) }
  const parsed = EnrolRequest.pick({ device: true, attributes: true }).safeParse(choices)
  if (parsed.success) return parsed.data
  const { path, message } = parsed.error.issues[0] ?? { path: [], message: 'is not valid' }
  throw new MusterError('request-invalid', `${path.join('.')}: ${message}`, { cause: parsed.error })
}
