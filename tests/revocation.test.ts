import type { MqttClient } from 'mqtt'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { openTls, sendConnect } from './harness/raw-mqtt.ts'
import { type EnrolledDevice, type Stack, startStack } from './harness/stack.ts'
import { nextEvent, waitFor } from './harness/wait.ts'

let stack: Stack
beforeAll(async () => {
  stack = await startStack()
})
afterAll(() => stack?.[Symbol.asyncDispose]())

async function revoke(id: string) {
  const answer = await stack.api(`/v1/devices/${id}/revoke`, { body: { reason: 'keyCompromise' } })
  expect(answer.status).toBe(202)
  return answer.json.revocation as string
}

const receiptOf = (revocation: string) =>
  waitFor('the receipt', async () => {
    const { json } = await stack.api(`/v1/revocations/${revocation}`)
    return json.complete ? json : undefined
  })

const refused = async (device: EnrolledDevice) => {
  const client = await device.connect().then(
    (connected: MqttClient) => connected,
    () => undefined,
  )
  await client?.endAsync(true)
  return client === undefined
}

test('revoking closes the connection, says why, and leaves a receipt', async () => {
  const device = await stack.enrolDevice('out-1')
  const client = await device.connect({ protocolVersion: 5 })
  const told = nextEvent(client, 'disconnect')
  const closed = nextEvent(client, 'close')
  const revocation = await revoke('out-1')
  await closed
  expect(await told).toMatchObject({ cmd: 'disconnect', reasonCode: 0x98 })
  expect(await receiptOf(revocation)).toMatchObject({
    device: 'out-1',
    reason: 'keyCompromise',
    complete: true,
    nodes: [{ node: 'broker-1', connectionsClosed: 1, sessionPurged: true }],
  })
  expect(await refused(device)).toBe(true)
  const refusals = await stack.api('/v1/devices/out-1/refusals')
  await waitFor('the refusal on record', async () => {
    const { json } = await stack.api('/v1/devices/out-1/refusals')
    return json.items.some(
      (item: { code: string }) => item.code === 'certificate-revoked' || item.code === 'device-revoked',
    )
  })
  expect(refusals.status).toBe(200)
  await client.endAsync(true)
})

test('revoking twice is one revocation, and its enrolment claim is worth nothing', async () => {
  const device = await stack.enrolDevice('out-2')
  const first = await revoke('out-2')
  expect(await revoke('out-2')).toBe(first)
  expect(await refused(device)).toBe(true)
})

test.each(['TLSv1.2', 'TLSv1.3'] as const)(
  'a %s session taken before the revocation does not resume into the fleet',
  async (version) => {
    const id = `resume-${version === 'TLSv1.2' ? 2 : 3}`
    const device = await stack.enrolDevice(id)
    const first = await openTls(stack, device.credentials, { version })
    expect(await sendConnect(first.socket, id)).toMatchObject({ cmd: 'connack', returnCode: 0 })
    const session = await first.session()
    first.socket.destroy()

    // The control: while the device is good, the ticket resumes and is admitted.
    const resumed = await openTls(stack, device.credentials, { version, session })
    expect(resumed.socket.isSessionReused()).toBe(true)
    expect(await sendConnect(resumed.socket, id)).toMatchObject({ cmd: 'connack', returnCode: 0 })
    const again = await resumed.session()
    resumed.socket.destroy()

    await receiptOf(await revoke(id))
    const late = await openTls(stack, device.credentials, { version, session: again })
    const answer = await sendConnect(late.socket, id)
    expect(answer === undefined || (answer.cmd === 'connack' && answer.returnCode !== 0)).toBe(true)
    late.socket.destroy()
  },
)

describe('suspended', () => {
  test('is out until resumed', async () => {
    const device = await stack.enrolDevice('pause-1')
    const client = await device.connect()
    const closed = nextEvent(client, 'close')
    expect((await stack.api('/v1/devices/pause-1/suspend', { method: 'POST' })).status).toBe(200)
    await closed
    expect(await refused(device)).toBe(true)
    expect((await stack.api('/v1/devices/pause-1/resume', { method: 'POST' })).status).toBe(200)
    const back = await waitFor('admitted again', () => device.connect())
    await back.endAsync()
    await client.endAsync(true)
  })
})

test('a revocation while the broker is down is carried out when it comes back', async () => {
  const device = await stack.enrolDevice('down-1')
  const staying = await stack.enrolDevice('down-2')
  await stack.process('broker').kill()
  const revocation = await revoke('down-1')
  expect((await stack.api(`/v1/revocations/${revocation}`)).json.complete).toBe(false)
  await stack.start('broker')
  await receiptOf(revocation)
  expect(await refused(device)).toBe(true)
  const client = await staying.connect()
  await client.endAsync()
})

test('queued messages and the session of a revoked device are gone when its name is enrolled anew', async () => {
  const topic = 'fleets/default/devices/purge-1/commands/x'
  const device = await stack.enrolDevice('purge-1')
  const persistent = { clean: false, properties: { sessionExpiryInterval: 3_600 } }
  const client = await device.connect(persistent)
  await client.subscribeAsync(topic, { qos: 1 })
  await client.endAsync()
  const backend = await stack.enrolDevice('backend-1', { profile: 'service' })
  const sender = await backend.connect()
  await sender.publishAsync(topic, 'unlock', { qos: 1 })

  const revocation = await revoke('purge-1')
  expect(await receiptOf(revocation)).toMatchObject({ nodes: [{ sessionPurged: true }] })
  expect((await stack.api('/v1/devices/purge-1/retire', { method: 'POST' })).status).toBe(200)
  const successor = await stack.enrolDevice('purge-1')
  const received: string[] = []
  const fresh = await waitFor('the successor is admitted', () => successor.connect(persistent))
  fresh.on('message', (_, payload) => received.push(payload.toString()))
  await fresh.subscribeAsync('fleets/default/devices/purge-1/commands/y', { qos: 1 })
  await sender.publishAsync('fleets/default/devices/purge-1/commands/y', 'marker', { qos: 1 })
  await waitFor('the marker', () => received.includes('marker'))
  expect(received).toEqual(['marker'])
  await Promise.all([fresh.endAsync(true), sender.endAsync(true)])
})
