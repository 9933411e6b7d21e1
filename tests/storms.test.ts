import { join } from 'node:path'
import type { TLSSocket } from 'node:tls'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { root, startProcess } from './harness/process.ts'
import { openTls, sendConnect } from './harness/raw-mqtt.ts'
import { type EnrolledDevice, type Stack, startStack } from './harness/stack.ts'
import { waitFor } from './harness/wait.ts'

let stack: Stack
let honest: EnrolledDevice
beforeAll(async () => {
  stack = await startStack()
  honest = await stack.enrolDevice('honest-1')
})
afterAll(() => stack?.[Symbol.asyncDispose]())

async function metric(name: string): Promise<number> {
  const text = await (await fetch(`http://127.0.0.1:${stack.ports.brokerMetrics}/metrics`)).text()
  const line = text.split('\n').find((each) => each.startsWith(`${name} `))
  return Number(line?.split(' ')[1] ?? 0)
}

/** Connections that the broker has accepted and that went no further: those it holds, and those it has dropped. */
async function arrived(): Promise<number> {
  const text = await (await fetch(`http://127.0.0.1:${stack.ports.brokerMetrics}/metrics`)).text()
  const counts = text.matchAll(/^muster_broker_arrivals(?:_dropped_total\{.*\}|\{stage="starting"\}) (\d+)$/gm)
  return [...counts].reduce((sum, [, count]) => sum + Number(count), 0)
}

/** In two processes: one may not have as many files everywhere. Each of 250 addresses has its share. */
const halfOpen = 20_000
const processes = 2
const openers = () =>
  Array.from({ length: processes }, (_, index) => {
    const numbers = [stack.ports.mqtt, halfOpen / processes, 1 + index].map(String)
    return startProcess(process.execPath, [join(root, 'tests/harness/half-open.ts'), ...numbers], { ipc: true })
  })

describe('half-open connections', () => {
  test('by the thousand, silent or slow, keep nobody out and take nothing from who is there', async () => {
    const before = await honest.connect()
    const earlier = await arrived()
    await using ending = new AsyncDisposableStack()
    const crowd = openers().map((child) => ending.use(child))
    await Promise.all(crowd.map((child) => child.prints(/all begun/, 90_000)))
    await waitFor('the broker has taken all of them', async () => (await arrived()) - earlier >= halfOpen)
    expect(await metric('muster_broker_arrivals{stage="starting"}')).toBeLessThanOrEqual(8_000)
    for (let time = 0; time < 5; time++) {
      const other = await stack.enrolDevice(`newcomer-${time}`)
      const client = await other.connect()
      await client.publishAsync(`fleets/default/devices/newcomer-${time}/telemetry/t`, 'x', { qos: 1 })
      await client.endAsync()
    }
    expect(before.connected).toBe(true)
    await before.publishAsync('fleets/default/devices/honest-1/telemetry/t', 'x', { qos: 1 })
    await Promise.all(crowd.map((child) => child.kill()))
    await waitFor('they are gone', async () => (await metric('muster_broker_arrivals{stage="starting"}')) < 10)
    await before.endAsync()
  }, 180_000)
})

describe('a revoked device that hammers', () => {
  test('has a number of handshakes that we set and not it, and everybody else connects as before', async () => {
    const before = await honest.connect()
    const newcomer = await stack.enrolDevice('newcomer')
    const bad = await stack.enrolDevice('hammer-1')
    expect((await stack.api('/v1/devices/hammer-1/revoke', { body: { reason: 'keyCompromise' } })).status).toBe(202)
    let hammering = true
    let handshakes = 0
    const open = new Set<TLSSocket>()
    /** The one waits for its answer, the other leaves when it has had its handshake. */
    const hammer = async (isPatient: boolean) => {
      while (hammering) {
        const opened = await openTls(stack, bad.credentials).catch(() => undefined)
        if (!opened) continue
        handshakes += 1
        open.add(opened.socket)
        const answer = sendConnect(opened.socket, 'hammer-1')
        if (!isPatient) opened.socket.destroy()
        expect(await answer.then((packet) => packet?.cmd === 'connack' && packet.returnCode === 0)).toBe(false)
        opened.socket.destroy()
        open.delete(opened.socket)
      }
    }
    const hammers = Array.from({ length: 8 }, (_, index) => hammer(index % 2 === 0))
    // Those that wait for their answer after their handshake, the others before it; some are always on their way.
    const theyWait = async () =>
      (await metric('muster_broker_penalties{of="detained"}')) >= 1 &&
      (await metric('muster_broker_arrivals{stage="waiting"}')) >= 2
    await waitFor('they wait for us', theyWait, { timeoutMs: 40_000 })
    const earlier = handshakes
    const begun = performance.now()
    for (let time = 0; time < 2; time++) {
      const client = await newcomer.connect()
      await client.publishAsync('fleets/default/devices/newcomer/telemetry/t', 'x', { qos: 1 })
      await client.endAsync()
    }
    // What was left of the allowance, and five a second that come back to an address that has somebody here.
    expect(handshakes - earlier).toBeLessThan(60 + (10 * (performance.now() - begun)) / 1_000)
    expect(before.connected).toBe(true)
    await before.endAsync()
    hammering = false
    for (const socket of open) socket.destroy()
    await Promise.all(hammers)
    expect(await metric('muster_broker_penalties{of="certificate"}')).toBe(1)
    // The broker has counted each of them.
    await waitFor('all are counted', async () => {
      const refused = await metric('muster_broker_refusals_total{code="device-revoked"}')
      return refused > 10 && refused <= handshakes
    })
  })
})
