import { expect, test } from 'vitest'
import { enrol } from './enrol.ts'
import { memoryStore } from './store/memory-store.ts'
import { startTestProvisioner } from './testing/provisioner.ts'

test('a claim becomes a stored certificate', async () => {
  await using server = await startTestProvisioner()
  const store = memoryStore()
  const enrolment = await enrol({ url: server.url, claim: server.claim, store, device: 'pump-1' })
  expect(enrolment.device.id).toBe('pump-1')
  expect((await store.loadEnrolment())?.enrolment).toEqual(enrolment)
})
