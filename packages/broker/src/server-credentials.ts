import { join } from 'node:path'
import { MusterError } from '@muster/contracts'
import { type DeviceStore, enrol, openStore } from '@muster/device'
import type { Logger } from 'pino'

const patienceMs = 60_000

/**
 * The store with this node's own key and certificate; where it is empty, the node enrols with a claim like any device.
 * @throws MusterError when there is neither a certificate nor a way to get one
 */
export async function openServerStore(options: {
  data: string
  node: string
  apiUrl: string
  claim: string | undefined
  signal: AbortSignal
  log: Logger
}): Promise<DeviceStore> {
  const { data, node, apiUrl, claim, log } = options
  const store = await openStore(join(data, 'broker', node))
  if (!(await store.loadEnrolment())) {
    if (claim === undefined)
      throw new MusterError('certificate-missing', 'this node has not enrolled: give MUSTER_CLAIM or MUSTER_CLAIM_FILE')
    const patience = AbortSignal.timeout(patienceMs)
    let last: MusterError | undefined
    try {
      const { device } = await enrol({
        url: apiUrl,
        claim,
        store,
        maxMs: 5_000,
        signal: AbortSignal.any([options.signal, patience]),
        onRetry({ attempt, delayMs, error }) {
          last = error
          log.warn({ attempt, delayMs, code: error.code }, `cannot enrol yet: ${error.detail}`)
        },
      })
      log.info({ device }, 'enrolled')
    } catch (cause) {
      if (options.signal.aborted) throw new MusterError('unavailable', 'stopped before it had enrolled', { cause })
      if (!patience.aborted) throw cause
      throw new MusterError('unavailable', `cannot enrol at ${apiUrl}: ${last?.detail ?? 'no answer'}`, { cause })
    }
  }
  return store
}
