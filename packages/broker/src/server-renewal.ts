import { type Credentials, type DeviceStore, keepRenewed, loadCredentials, type RenewalEvent } from '@muster/device'
import type { Logger } from 'pino'

export type ServerCredentials = Pick<Credentials, 'key' | 'certificate' | 'roots'>
/** Puts the next key and certificate to use, with connections staying as they are. */
export type UseCredentials = (credentials: ServerCredentials) => Promise<void>

export interface ServerRenewal extends AsyncDisposable {
  /** Something has happened to the issuers: asks at once when to renew. */
  hurry(): void
}

const pollMs = 60_000

/** This node renews its own certificate like any device. */
export function keepServerRenewed(options: { store: DeviceStore; use: UseCredentials; log: Logger }): ServerRenewal {
  const { store, use, log } = options
  const onEvent = (event: RenewalEvent) => {
    if (event.type === 'failed') log.warn({ code: event.error.code }, `cannot renew yet: ${event.error.detail}`)
    if (event.type === 'admitted') takeUp().catch((err) => log.error({ err }, 'the new certificate cannot be used'))
  }
  async function takeUp() {
    const credentials = await loadCredentials(store)
    await use(credentials)
    log.info({ notAfter: credentials.enrolment.notAfter }, 'server certificate renewed')
  }
  const start = () => keepRenewed({ store, onEvent, pollMs })
  let current = start()
  let queue = Promise.resolve()
  return {
    hurry() {
      queue = queue.then(async () => {
        await current[Symbol.asyncDispose]()
        current = start()
      })
    },
    async [Symbol.asyncDispose]() {
      await queue
      await current[Symbol.asyncDispose]()
    },
  }
}
