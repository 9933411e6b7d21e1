import { setTimeout as sleep } from 'node:timers/promises'
import { type Enrolment, MusterError } from '@muster/contracts'
import type { KeyAlgorithm } from '@muster/pki'
import type { MqttClient } from 'mqtt'
import { presentRenewed } from './connection/present-renewed.ts'
import { TemporaryFailure } from './http/temporary-failure.ts'
import { renew } from './renew.ts'
import { confirmNext } from './renewal/confirm-next.ts'
import { untilRenewalIsDue } from './renewal/until-due.ts'
import { pauseMs } from './retry.ts'
import type { DeviceStore } from './store/device-store.ts'
import { clockOf } from './trust/device-clock.ts'
import type { Surroundings } from './trust/dial.ts'

export type RenewalEvent =
  | { type: 'renewed'; enrolment: Enrolment; by: 'https' | 'mqtt' | 'store' }
  /** The platform has seen the new certificate: from now on it is the one. `overlapMs` is how long there were two. */
  | { type: 'admitted'; enrolment: Enrolment; overlapMs: number }
  | { type: 'failed'; error: MusterError; delayMs: number }

export interface KeepRenewedOptions extends Surroundings {
  store: DeviceStore
  /** One of `connect`: it is changed over to each new certificate. Without it the provisioner is told that the certificate has arrived. */
  client?: MqttClient | undefined
  newKey?: boolean | undefined
  keyAlgorithm?: KeyAlgorithm | undefined
  onEvent?: ((event: RenewalEvent) => void) | undefined
  /** The longest time between two questions for the window. */
  pollMs?: number | undefined
  /** The first pause after a failure, doubled by every further one. */
  minMs?: number | undefined
  maxMs?: number | undefined
}

const presentMs = 30_000

/** Renews whenever the provisioner wants it, as long as it is not disposed of; failures are told, never thrown. */
export function keepRenewed(options: KeepRenewedOptions): AsyncDisposable {
  const ending = new AbortController()
  const life = live(options, ending.signal)
  return {
    async [Symbol.asyncDispose]() {
      ending.abort()
      await life
    },
  }
}

async function live(options: KeepRenewedOptions, signal: AbortSignal): Promise<void> {
  const { onEvent, minMs = 1_000, maxMs = 300_000 } = options
  let hasty = 0
  for (let failures = 0; !signal.aborted; ) {
    try {
      // A provisioner with a wrong clock wants every certificate renewed at once: it is not done in a tight circle.
      if (hasty > 0) await sleep(pauseMs(hasty - 1, { minMs, maxMs }), undefined, { signal })
      const waited = await renewOnce(options, signal)
      hasty = waited ? 0 : hasty + 1
      failures = 0
    } catch (thrown) {
      if (signal.aborted) return
      const failure = thrown instanceof TemporaryFailure ? thrown : undefined
      const delayMs = Math.round(pauseMs(failures, { minMs, maxMs }, failure?.afterMs))
      onEvent?.({ type: 'failed', error: asMusterError(failure?.error ?? thrown), delayMs })
      failures += 1
      await sleep(delayMs, undefined, { signal }).catch(() => undefined)
    }
  }
}

/** Answers whether it had to wait for the time to renew. */
async function renewOnce(options: KeepRenewedOptions, signal: AbortSignal): Promise<boolean> {
  const { store, client, newKey, keyAlgorithm, onEvent, minMs, maxMs = 300_000, pollMs = 3_600_000 } = options
  const { dial, now } = options
  let waited = true
  if (!(await store.loadNext())) {
    waited = await untilRenewalIsDue(store, { pollMs, signal, dial, now })
    const { enrolment, by } = await renew({
      ...{ store, client, newKey, keyAlgorithm, signal, minMs, maxMs, dial, now },
      onRetry: ({ error, delayMs }) => onEvent?.({ type: 'failed', error, delayMs }),
    })
    onEvent?.({ type: 'renewed', enrolment, by })
  }
  await takeUp(options, signal)
  return waited
}

/** Makes the platform see the next certificate. */
async function takeUp({ store, client, onEvent, dial, now }: KeepRenewedOptions, signal: AbortSignal): Promise<void> {
  const startedAt = performance.now()
  const next = await store.loadNext()
  if (!next) return
  if (client) await presentRenewed(client, AbortSignal.any([signal, AbortSignal.timeout(presentMs)]))
  if (!client || (await store.loadNext()))
    await confirmNext(store, { url: next.url, clock: await clockOf(store, now), dial, signal })
  const { enrolment } = (await store.loadEnrolment()) ?? next
  if (enrolment.certificate === next.enrolment.certificate)
    return onEvent?.({ type: 'admitted', enrolment, overlapMs: performance.now() - startedAt })
  throw new TemporaryFailure(new MusterError('unavailable', 'nobody has admitted the renewed certificate yet'))
}

function asMusterError(error: unknown): MusterError {
  if (error instanceof MusterError) return error
  const detail = error instanceof Error ? error.message : 'something went wrong'
  return new MusterError('internal', detail, { cause: error })
}
