import { MusterError } from '@muster/contracts'
import { createTestCa } from '@muster/pki/testing'
import { describe, expect, test, vi } from 'vitest'
import { connect } from '../connect.ts'
import { renew } from '../renew.ts'
import type { DeviceStore } from '../store/device-store.ts'
import { enrolledWithBroker } from '../testing/enrolled-device.ts'
import { type Behaviour, problem } from '../testing/provisioner.ts'

const quick = { minMs: 1, maxMs: 5 }
const codeOf = (attempt: Promise<unknown>) =>
  attempt.then(
    () => 'renewed',
    (error: unknown) => (error instanceof MusterError ? error.code : error),
  )
const currentOf = async (store: DeviceStore) => (await store.loadEnrolment())?.enrolment
const nextOf = async (store: DeviceStore) => (await store.loadNext())?.enrolment
const lost: Behaviour = async ({ answer, response }) => {
  await answer()
  response.destroy()
}

describe('over MQTT, when the provisioner cannot be reached', () => {
  test('through the connection there is', async () => {
    await using device = await enrolledWithBroker()
    const { store, server, broker } = device
    const client = await connect({ store })
    await server[Symbol.asyncDispose]()
    const { by, enrolment } = await renew({ store, client, newKey: true, ...quick })
    expect(by).toBe('mqtt')
    expect(await nextOf(store)).toEqual(enrolment)
    expect(broker.connections).toHaveLength(1)
    await client.endAsync()
  })

  test('through one of its own', async () => {
    await using device = await enrolledWithBroker()
    const { store, server, broker } = device
    await server[Symbol.asyncDispose]()
    expect(await renew({ store, ...quick })).toMatchObject({ by: 'mqtt' })
    await vi.waitFor(() => expect(broker.connections.every(({ socket }) => socket.destroyed)).toBe(true))
  })

  test('the code of a refusal is the provisioner’s', async () => {
    await using device = await enrolledWithBroker()
    const { store, server, broker } = device
    const client = await connect({ store })
    await server[Symbol.asyncDispose]()
    broker.relay = async () => JSON.stringify(problem('device-revoked', 403))
    expect(await codeOf(renew({ store, client, ...quick }))).toBe('device-revoked')
    await client.endAsync()
  })

  test('an answer for another key is waited out', async () => {
    await using device = await enrolledWithBroker()
    const { store, server, broker } = device
    const client = await connect({ store })
    const old = JSON.stringify(await currentOf(store))
    await server[Symbol.asyncDispose]()
    const { relay } = broker
    broker.relay = async (id, proof) => {
      const topic = `fleets/default/devices/${id}/renewal/response`
      broker.connections.at(-1)?.send({ cmd: 'publish', topic, payload: old, qos: 0, retain: false, dup: false })
      return (await relay?.(id, proof)) ?? ''
    }
    const { enrolment } = await renew({ store, client, newKey: true, ...quick })
    expect(enrolment).not.toEqual(JSON.parse(old))
    await client.endAsync()
  })

  test('an answer that was lost on one way comes by the other', async () => {
    await using device = await enrolledWithBroker()
    const { store, server } = device
    const client = await connect({ store })
    server.script.renew.push(lost, lost)
    expect(await renew({ store, client, newKey: true, ...quick })).toMatchObject({ by: 'mqtt' })
    expect([...server.registry.states.values()].sort()).toEqual(['active', 'pending'])
    await client.endAsync()
  })

  test('roots do not come this way', async () => {
    await using device = await enrolledWithBroker()
    const { store, server } = device
    const client = await connect({ store })
    await server[Symbol.asyncDispose]()
    server.roots = (await createTestCa()).root.toString()
    await renew({ store, client, ...quick })
    expect((await store.loadNext())?.roots).toBe(server.ca.root.toString())
    await client.endAsync()
  })

  test('not when the provisioner asks for patience', async () => {
    await using device = await enrolledWithBroker()
    const { store, server } = device
    const client = await connect({ store })
    server.script.renew.push(({ reply }) => reply(503, problem('unavailable', 503), { 'retry-after': '0' }))
    server.script.renew.push(({ reply }) => reply(429, problem('rate-limited', 429)))
    expect(await renew({ store, client, ...quick })).toMatchObject({ by: 'https' })
    await client.endAsync()
  })
})
