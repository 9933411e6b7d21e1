import type { X509Certificate } from 'node:crypto'
import { enrol } from '../enrol.ts'
import { memoryStore } from '../store/memory-store.ts'
import { startTestBroker } from './broker.ts'
import { startTestProvisioner, type TestProvisioner } from './provisioner.ts'

const quick = { minMs: 1, maxMs: 5 }
const nowhere = 'mqtts://localhost:9'

/** A device `pump-1` and its provisioner. */
export async function enrolled(options: Parameters<typeof startTestProvisioner>[0] = {}) {
  const server = await startTestProvisioner({ mqttUrl: nowhere, ...options })
  const store = memoryStore()
  const enrolment = await enrol({ url: server.url, claim: server.claim, store, device: 'pump-1', ...quick })
  return { server, store, enrolment, [Symbol.asyncDispose]: () => server[Symbol.asyncDispose]() }
}

/** The same, and a broker that knows the same certificates. */
export async function enrolledWithBroker() {
  const device = await enrolled()
  const broker = await startTestBroker(device.server.ca)
  broker.judge = (certificate) => admit(device.server, certificate)
  broker.relay = (id, proof) => device.server.renewByProof(id, proof)
  const stored = await device.store.loadEnrolment()
  if (!stored) throw new Error('the device has not enrolled')
  const mqtt = { ...stored.enrolment.mqtt, url: broker.url }
  device.server.mqttUrl = broker.url
  await device.store.saveEnrolment({ ...stored, enrolment: { ...stored.enrolment, mqtt } })
  return {
    ...device,
    broker,
    async [Symbol.asyncDispose]() {
      await broker[Symbol.asyncDispose]()
      await device[Symbol.asyncDispose]()
    },
  }
}

const admit = ({ registry }: TestProvisioner, certificate: X509Certificate) =>
  'code' in registry.use(certificate.serialNumber.toLowerCase()) ? 0x87 : 0
