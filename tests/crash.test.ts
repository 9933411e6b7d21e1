import { createCsr, generateKey } from '@muster/pki'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type Stack, startStack } from './harness/stack.ts'
import { waitFor } from './harness/wait.ts'

let stack: Stack
beforeAll(async () => {
  stack = await startStack()
})
afterAll(() => stack?.[Symbol.asyncDispose]())

test('the provisioner killed at a random moment of an enrolment, a hundred times: every device gets its one certificate', {
  timeout: 240_000,
}, async () => {
  const rounds = 100
  const answered: number[] = []
  for (let round = 0; round < rounds; round++) {
    const id = `crash-${round}`
    const claim = await stack.createClaim({ device: id })
    const body = { claim, csr: createCsr(await generateKey()).toString('base64') }
    const enrol = () => stack.api('/v1/enrol', { body, token: undefined })

    // From before the request arrives to after the answer is sent.
    const attempt = enrol().catch(() => undefined)
    await new Promise((resolve) => setTimeout(resolve, (round / rounds) * 30))
    await stack.process('provisioner').kill()
    const first = await attempt
    if (first) answered.push(round)
    await stack.start('provisioner')

    const answer = await enrol()
    expect(answer.status).toBe(201)
    if (first?.status === 201) expect(answer.json.certificate).toBe(first.json.certificate)
    const { rows } = await stack.query('select serial from certificates where fleet = $1 and device = $2', [
      'default',
      id,
    ])
    expect(rows).toHaveLength(1)
  }
  // The kills really fell on both sides of the answer.
  expect(answered.length).toBeGreaterThan(0)
  expect(answered.length).toBeLessThan(rounds)
})

test('the broker killed while five devices publish at QoS 1: no acknowledged message is missing', {
  timeout: 120_000,
}, async () => {
  const devices = await Promise.all([0, 1, 2, 3, 4].map((index) => stack.enrolDevice(`writer-${index}`)))
  const acknowledged = new Set<string>()
  let stopped = false

  const writers = devices.map(async (device) => {
    const topic = `fleets/default/devices/${device.id}/telemetry`
    for (let sequence = 0; !stopped; ) {
      const client = await device.connect({ connectTimeout: 5_000 }).catch(() => undefined)
      if (!client) {
        await new Promise((resolve) => setTimeout(resolve, 50))
        continue
      }
      client.on('error', () => {})
      while (!stopped && client.connected) {
        const batch = Array.from({ length: 20 }, () => `${device.id}:${sequence++}`)
        await Promise.all(
          batch.map(
            (payload) =>
              new Promise<void>((resolve) => {
                client.once('close', resolve)
                client.publish(topic, payload, { qos: 1 }, (error) => {
                  if (!error) acknowledged.add(payload)
                  client.off('close', resolve)
                  resolve()
                })
              }),
          ),
        )
      }
      await client.endAsync(true)
    }
  })

  for (let round = 0; round < 8; round++) {
    const before = acknowledged.size
    await waitFor('messages flow', () => acknowledged.size > before + 200, { timeoutMs: 20_000 })
    await stack.crash('broker')
  }
  stopped = true
  await Promise.all(writers)

  const { rows } = await stack.query(
    "select convert_from(payload, 'UTF8') as payload from telemetry where device like 'writer-%'",
  )
  const stored = new Set(rows.map((row) => row.payload))
  expect(acknowledged.size).toBeGreaterThan(1_600)
  expect([...acknowledged].filter((payload) => !stored.has(payload))).toEqual([])
})
