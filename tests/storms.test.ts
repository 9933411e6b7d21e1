import { execFileSync } from 'node:child_process'
import { connect, type Socket } from 'node:net'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
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

/** As many as this machine lets one process have; each of 250 addresses has its share. */
const files = Number(execFileSync('sh', ['-c', 'ulimit -n'], { encoding: 'utf8' })) || 20_000
const halfOpen = Math.min(20_000, files - 1_500)

describe('half-open connections', () => {
  test('by the thousand, silent or slow, keep nobody out and take nothing from who is there', async () => {
    const before = await honest.connect()
    const sockets: Socket[] = []
    const starts = [Buffer.alloc(0), Buffer.from('16', 'hex'), Buffer.from('16030106', 'hex')]
    for (let opened = 0; opened < halfOpen; opened += 500) {
      const batch = Array.from({ length: Math.min(500, halfOpen - opened) }, (_, index) => {
        const localAddress = `127.1.${1 + (index % 5)}.${1 + (Math.floor(opened / 500) % 50)}`
        const socket = connect({ host: '127.0.0.1', port: stack.ports.mqtt, localAddress }).on('error', () => {})
        socket.write(starts[index % starts.length] ?? '')
        return socket.resume()
      })
      sockets.push(...batch)
      await waitFor('the batch is there', () => batch.every((socket) => !socket.connecting || socket.destroyed))
    }
    expect(await metric('muster_broker_arrivals{stage="starting"}')).toBeLessThanOrEqual(8_000)
    for (let time = 0; time < 5; time++) {
      const other = await stack.enrolDevice(`newcomer-${time}`)
      const client = await other.connect()
      await client.publishAsync(`fleets/default/devices/newcomer-${time}/telemetry/t`, 'x', { qos: 1 })
      await client.endAsync()
    }
    expect(before.connected).toBe(true)
    await before.publishAsync('fleets/default/devices/honest-1/telemetry/t', 'x', { qos: 1 })
    for (const socket of sockets) socket.destroy()
    await waitFor('they are gone', async () => (await metric('muster_broker_arrivals{stage="starting"}')) < 10)
    await before.endAsync()
  }, 180_000)
})

describe('a revoked device that hammers', () => {
  test('is cut off sooner and sooner, and everybody else connects as before', async () => {
    const bad = await stack.enrolDevice('hammer-1')
    expect((await stack.api('/v1/devices/hammer-1/revoke', { body: { reason: 'keyCompromise' } })).status).toBe(202)
    let hammering = true
    let tried = 0
    const hammer = async () => {
      while (hammering) {
        tried += 1
        const opened = await openTls(stack, bad.credentials).catch(() => undefined)
        if (!opened) continue
        const answer = await sendConnect(opened.socket, 'hammer-1')
        expect(answer === undefined || (answer.cmd === 'connack' && answer.returnCode !== 0)).toBe(true)
        opened.socket.destroy()
      }
    }
    const hammers = Array.from({ length: 5 }, hammer)
    for (let time = 0; time < 10; time++) {
      const client = await honest.connect()
      await client.publishAsync('fleets/default/devices/honest-1/telemetry/t', 'x', { qos: 1 })
      await client.endAsync()
    }
    hammering = false
    await Promise.all(hammers)
    expect(tried).toBeGreaterThan(10)
    expect(await metric('muster_broker_penalties{of="certificate"}')).toBe(1)
    expect(await metric('muster_broker_refusals_total{code="device-revoked"}')).toBeGreaterThan(10)
  })
})
