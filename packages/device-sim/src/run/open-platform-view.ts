import {
  Certificate,
  type CertificateState,
  Claim,
  certificateStates,
  Device,
  FleetTelemetryMessage,
  Refusal,
} from '@muster/contracts'
import { labelOf } from '../operator/create-claims.ts'
import type { OperatorApi } from '../operator/operator-api.ts'
import type { Service } from '../operator/service.ts'
import type {
  CertificateRecord,
  ClaimRecord,
  DeviceRecord,
  PlatformView,
  RevocationRecord,
  StoredMessage,
} from './platform-view.ts'
import { readPages } from './read-pages.ts'

interface ViewOptions {
  operator: Pick<OperatorApi, 'get'>
  /** Hears what the devices publish. */
  service: Pick<Service, 'listen'>
  fleet: string
  /** Devices of the run are named `<prefix>-…`. */
  prefix: string
  run: string
  revocations(): readonly RevocationRecord[]
}

/** Its own clock, and those of the platform's machines, may differ by so much. */
const clockToleranceMs = 60_000

/** Asks the platform about the devices of one run, in the way that any operator and any back-end may. */
export async function openPlatformView(options: ViewOptions): Promise<PlatformView & AsyncDisposable> {
  const { operator, service, fleet, prefix, run, revocations } = options
  const begins = `${prefix}-`
  const since = new Date(Date.now() - clockToleranceMs).toISOString()
  const heard = new Map<string, { topic: string; at: number }>()
  let isOpen = true
  await service.listen(`fleets/${fleet}/#`, (topic) => {
    const device = /^fleets\/[^/]+\/devices\/([^/]+)\//.exec(topic)?.[1]
    if (isOpen && device?.startsWith(begins)) heard.set(device, { topic, at: Date.now() })
  })

  async function* certificatesIn(state: CertificateState) {
    for await (const one of readPages(operator, '/v1/certificates', Certificate, { fleet, state }))
      if (one.device.startsWith(begins)) yield presentCertificate(one)
  }

  return {
    fleet,
    revocations,
    heard: () => heard,

    async *devices() {
      // The run's own service is named like them.
      for await (const one of readPages(operator, '/v1/devices', Device, { fleet, prefix: begins }))
        if (one.profile === 'device') yield presentDevice(one)
    },

    async *claims() {
      for await (const one of readPages(operator, '/v1/claims', Claim, { fleet }))
        if (one.label === labelOf(prefix)) yield presentClaim(one)
    },

    async *certificates() {
      for (const state of certificateStates) yield* certificatesIn(state)
    },

    async certificatesOf(device) {
      const found: CertificateRecord[] = []
      const path = `/v1/devices/${encodeURIComponent(device)}/certificates`
      for await (const one of readPages(operator, path, Certificate, { fleet })) found.push(presentCertificate(one))
      return found
    },

    async *telemetry() {
      const messages = readPages(operator, '/v1/telemetry', FleetTelemetryMessage, { fleet, prefix: begins })
      for await (const message of messages) yield presentMessage(message, run)
    },

    async *refusals() {
      for await (const one of readPages(operator, '/v1/refusals', Refusal, { since })) {
        const device = one.device ?? ''
        if ((one.fleet ?? fleet) !== fleet || (device !== '' && !device.startsWith(begins))) continue
        yield { device, code: one.code, count: one.count, advice: one.advice.operator }
      }
    },

    async [Symbol.asyncDispose]() {
      isOpen = false
    },
  }
}

const presentDevice = ({ id, state, connected, sessionEndsAt }: Device): DeviceRecord => ({
  ...{ id, state, connected },
  sessionEndsAt: sessionEndsAt === null ? undefined : Date.parse(sessionEndsAt),
})

const presentClaim = ({ id, uses, used, expiresAt }: Claim): ClaimRecord => ({
  id,
  left: expiresAt !== null && Date.parse(expiresAt) <= Date.now() ? 0 : uses - used,
})

const presentCertificate = ({ serial, device, state, notAfter }: Certificate): CertificateRecord => ({
  ...{ serial, device, state },
  notAfter: Date.parse(notAfter),
})

function presentMessage(message: FleetTelemetryMessage, run: string): StoredMessage {
  const { device, topic, duplicate, receivedAt } = message
  return { device, topic, duplicate, n: readNumber(message, run), receivedAt: Date.parse(receivedAt) }
}

/** What is no message of a stream has no number: answers to commands, what trespassers write. */
function readNumber({ payload, encoding }: FleetTelemetryMessage, run: string): number | undefined {
  if (encoding !== 'utf8' || !payload.startsWith('{')) return undefined
  try {
    const { n, run: of } = JSON.parse(payload) as { n?: unknown; run?: unknown }
    return typeof n === 'number' && of === run ? n : undefined
  } catch {
    return undefined
  }
}
