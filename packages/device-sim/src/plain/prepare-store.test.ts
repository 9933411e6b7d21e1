import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { enrol, loadCredentials, memoryStore } from '@muster/device'
import { createTestCa, poolKey } from '@muster/pki/testing'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { listIdentities } from './list-identities.ts'
import { createPreparation } from './prepare-store.ts'

const ca = await createTestCa()
let directory: string

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'muster-ready-'))
  for (const [index, id] of ['pump-2', 'pump-1'].entries()) {
    const key = await poolKey('p256', index)
    const identity = { fleet: 'default', group: 'default', device: id, profile: 'device' } as const
    const certificate = await ca.issue(identity, key)
    await writeFile(join(directory, `${id}.crt`), certificate.pem + ca.issuer.chain.map(String).join(''))
    await writeFile(join(directory, `${id}.key`), key.export({ type: 'pkcs8', format: 'pem' }))
  }
  await writeFile(join(directory, 'ca.crt'), ca.root.toString())
})
afterAll(() => rm(directory, { recursive: true }))

test('identities are certificates that have a key, in the order of their names', async () => {
  expect(await listIdentities(directory)).toEqual(['pump-1', 'pump-2'])
})

test('a prepared device needs nobody to enrol, and shows its whole chain', async () => {
  const store = memoryStore()
  const broker = { url: 'mqtts://localhost:1', ca: ca.root.toString(), directory }
  const prepare = createPreparation(broker, 'default')
  await prepare(store, 0)
  await prepare(store, 0)
  await expect(prepare(memoryStore(), 2)).rejects.toThrow('no certificate')
  const claim = `muster1.${'0'.repeat(16)}.${'0'.repeat(43)}.${'0'.repeat(64)}`
  const { device, mqtt } = await enrol({ url: 'https://localhost:1', claim, store })
  expect(device.id).toBe('pump-1')
  expect(mqtt).toMatchObject({ url: 'mqtts://localhost:1', clientId: 'pump-1' })
  const { certificate, roots } = await loadCredentials(store)
  expect(certificate.match(/BEGIN CERTIFICATE/g)?.length).toBe(1 + ca.issuer.chain.length)
  expect(roots).toBe(ca.root.toString())
})
