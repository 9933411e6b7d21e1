import { X509Certificate } from 'node:crypto'
import type { Client } from 'aedes'
import { sql } from 'drizzle-orm'
import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import { defaultLimits } from '../limits.ts'
import { startTestBroker, type TestBroker, type TestDevice } from '../testing.ts'
import { openSessionStore } from './session-store.ts'

let muster: TestBroker
beforeAll(async () => {
  muster = await startTestBroker({ limits: { willGraceMs: 0 } })
})
afterAll(() => muster[Symbol.asyncDispose]())

/** Leaves in the store what a process leaves that dies while the devices are connected. */
async function leaveWills(devices: TestDevice[], properties: object = {}) {
  const store = await openSessionStore({
    path: muster.sessionsPath,
    sync: false,
    limits: defaultLimits,
    observer: { dropped() {}, failed() {}, sessionsWritten() {} },
    now: () => new Date(),
  })
  for (const { id, serial, cert } of devices) {
    const { fingerprint256, validFromDate: notBefore, validToDate: notAfter } = new X509Certificate(cert)
    const identity = { fleet: 'default', group: 'default', device: id, profile: 'device' }
    const fingerprint = fingerprint256.replaceAll(':', '').toLowerCase()
    const client = { id: `default/${id}`, req: { peer: { identity, serial, fingerprint, notBefore, notAfter } } }
    const topic = `fleets/default/devices/${id}/state/gone`
    const name = { cmd: 'publish', brokerId: '', brokerCounter: 0, topic, payload: 'gone' }
    await store.openSession(client.id, false)
    await store.putWill(client as unknown as Client, {
      ...name,
      qos: 1,
      retain: false,
      dup: false,
      properties: { ...properties },
    })
  }
  await store[Symbol.asyncDispose]()
}

const published = async () => {
  const { rows } = await muster.db.execute(sql`select device from telemetry where topic like '%/state/gone' order by 1`)
  return rows.map(({ device }) => device)
}
const kept = async () => {
  const answer = await fetch(`http://127.0.0.1:${muster.broker.metricsPort}/metrics`)
  return Number(/muster_broker_kept\{what="wills"\} (\d+)/.exec(await answer.text())?.[1])
}

test('a will whose connection died with the process is published, unless its device was shut out meanwhile', async () => {
  const [dead, revoked] = [await muster.addDevice('dead'), await muster.addDevice('revoked')]
  await muster.broker[Symbol.asyncDispose]()
  await leaveWills([dead, revoked])
  await muster.change(revoked, 'revoke')
  await muster.start()
  await vi.waitFor(async () => expect(await kept()).toBe(0), 10_000)
  await vi.waitFor(async () => expect(await published()).toEqual(['dead']), 10_000)
})

test('not of a device that is back before its will is due', async () => {
  const [back, witness] = [await muster.addDevice('back'), await muster.addDevice('witness')]
  await muster.broker[Symbol.asyncDispose]()
  await leaveWills([back], { willDelayInterval: 3_600 })
  await leaveWills([witness])
  await muster.start()
  await vi.waitFor(async () => expect(await published()).toContain('witness'), 10_000)
  expect(await kept()).toBe(1)
  const client = await muster.connect(back)
  await vi.waitFor(async () => expect(await kept()).toBe(0), 10_000)
  expect(await published()).not.toContain('back')
  await client.endAsync()
})
