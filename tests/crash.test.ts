import { createCsr, generateKey } from '@muster/pki'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type Stack, startStack } from './harness/stack.ts'
import { waitFor } from './harness/wait.ts'

let stack: Stack
beforeAll(async () => {
  stack = await startStack()
})
afterAll(() => stack?.[Symbol.asyncDispose]())

/** Kills the provisioner at moments from before the request arrives to after the answer is sent; counts the answers. */
async function killDuringEnrolments(platform: Stack, rounds: number): Promise<number> {
  let answered = 0
  for (let round = 0; round < rounds; round++) {
    const id = `crash-${round}`
    const claim = await platform.createClaim({ device: id })
    const body = { claim, csr: createCsr(await generateKey()).toString('base64') }
    const enrol = () => platform.api('/v1/enrol', { body, token: undefined })

    const attempt = enrol().catch(() => undefined)
    await new Promise((resolve) => setTimeout(resolve, (round / rounds) * 40))
    await platform.process('provisioner').kill()
    const first = await attempt
    if (first) answered++
    await platform.start('provisioner')

    const answer = await enrol()
    expect(answer.status).toBe(201)
    if (first?.status === 201) expect(answer.json.certificate).toBe(first.json.certificate)
    const query = "select serial from certificates where fleet = 'default' and device = $1"
    expect((await platform.query(query, [id])).rows).toHaveLength(1)
  }
  return answered
}

test('the provisioner killed at any moment of an enrolment, a hundred times: every device gets its one certificate', {
  timeout: 240_000,
}, async () => {
  await using other = await startStack()
  const counts = await Promise.all([killDuringEnrolments(stack, 50), killDuringEnrolments(other, 50)])
  const answered = counts.reduce((sum, count) => sum + count, 0)
  // The kills really fell on both sides of the answer.
  expect(answered).toBeGreaterThan(0)
  expect(answered).toBeLessThan(100)
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
