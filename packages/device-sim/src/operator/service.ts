import { CreatedClaim, compileFilter } from '@muster/contracts'
import { connect, enrol, keepRenewed, memoryStore } from '@muster/device'
import type { MqttClient } from 'mqtt'
import type { OperatorApi } from './operator-api.ts'

type Listener = (topic: string, payload: Buffer) => void

/** The run's own service identity: it sends commands, and hears what devices of the fleet publish. */
export interface Service extends AsyncDisposable {
  readonly fleet: string
  /** How long the certificates of this platform live. */
  readonly certificateLifeMs: number
  /** Resolves when the broker has granted it; kept across reconnections. */
  listen(filter: string, onMessage: Listener): Promise<void>
  /** Resolves when it is acknowledged (QoS 1). */
  publish(topic: string, payload: string | Buffer): Promise<void>
}

interface ServiceOptions {
  operator: OperatorApi
  fleet: string
  /** Its name in the fleet. */
  name: string
  signal: AbortSignal
}

export async function openService({ operator, fleet, name, signal }: ServiceOptions): Promise<Service> {
  const request = { fleet, device: name, profile: 'service', expiresIn: '1h', label: 'muster sim' }
  const { claim } = await operator.post('/v1/claims', request, CreatedClaim)
  const store = memoryStore()
  const { notAfter, serverTime } = await enrol({ url: operator.url, claim, store, signal })
  const client = await connect({ store, signal, maxReconnectMs: 1_000, refusedRetryMs: 1_000 })
  const listeners: { matches: (topic: string) => boolean; onMessage: Listener }[] = []
  client.on('message', (topic, payload) => {
    for (const { matches, onMessage } of listeners) if (matches(topic)) onMessage(topic, payload)
  })
  const renewing = keepRenewed({ store, client })
  return {
    fleet,
    certificateLifeMs: Date.parse(notAfter) - Date.parse(serverTime),
    async listen(filter, onMessage) {
      listeners.push({ matches: compileFilter(filter), onMessage })
      await client.subscribeAsync(filter, { qos: 1 })
    },
    publish: async (topic, payload) => void (await client.publishAsync(topic, payload, { qos: 1 })),
    async [Symbol.asyncDispose]() {
      await renewing[Symbol.asyncDispose]()
      await endClient(client)
    },
  }
}

const endMs = 2_000

async function endClient(client: MqttClient): Promise<void> {
  const hurry = setTimeout(() => client.stream.destroy(), endMs)
  await client.endAsync(!client.connected)
  clearTimeout(hurry)
}
