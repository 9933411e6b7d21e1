import { connect, enrol, loadCredentials, renew } from '@muster/device'
import { startTestBroker, startTestProvisioner, type TestBroker, type TestProvisioner } from '@muster/device/testing'
import { beforeEach, describe, expect, test } from 'vitest'
import { planDevice } from '../plan/plan-device.ts'
import { type Step, steps } from '../scenario/fault.ts'
import { parseScenario } from '../scenario/parse-scenario.ts'
import { equip } from './equip.ts'
import type { Equipment, Seen } from './equipment.ts'
import { PowerCut } from './power-cut.ts'

const quick = { minMs: 1, maxMs: 5 }

let server: TestProvisioner
let broker: TestBroker
beforeEach(async () => {
  server = await startTestProvisioner()
  broker = await startTestBroker(server.ca)
  server.mqttUrl = broker.url
  const { registry } = server
  broker.judge = (certificate) => ('code' in registry.use(certificate.serialNumber.toLowerCase()) ? 0x87 : 0)
  return async () => {
    await server[Symbol.asyncDispose]()
    await broker[Symbol.asyncDispose]()
  }
})

/** A device with these faults, and software that does what a device's does, over and over again. */
function makeDevice(faults: object[], settings: object = {}) {
  const devices = { d: { count: 1, telemetry: [{ every: '1s' }], faults, ...settings } }
  const phases = [
    { do: 'boot', over: '1s' },
    { do: 'renew', over: '1s' },
  ]
  const { scenario } = parseScenario(JSON.stringify({ name: 'a', title: 'A', devices, phases }))
  const seen: Seen[] = []
  const cuts: number[] = []
  const ending = new AbortController()
  let session = new AbortController()
  const equipment = equip(planDevice(scenario, 'sim', 0), {
    seed: 1,
    observe: (one) => seen.push(one),
    cut(offMs) {
      cuts.push(offMs)
      session.abort(new PowerCut())
    },
    signal: ending.signal,
  })
  const boot = () => {
    session = new AbortController()
    equipment.boot()
    return { ...quick, dial: equipment.dial, now: equipment.now, store: equipment.store, signal: session.signal }
  }
  return { equipment, seen, cuts, boot, end: () => ending.abort() }
}

/** From power on until a message is out; answers false where the power went before. */
async function live({ equipment, boot }: ReturnType<typeof makeDevice>, renews: boolean): Promise<boolean> {
  const surroundings = boot()
  try {
    equipment.step('boot')
    await enrol({ ...surroundings, url: server.url, claim: server.claim, device: 'pump-1' })
    const client = await connect(surroundings)
    try {
      equipment.step('connected')
      await client.publishAsync('fleets/default/devices/pump-1/telemetry/t', '1', { qos: 1 })
      equipment.step('published')
    } finally {
      client.end(true)
    }
    if (renews) await renew({ ...surroundings, newKey: true })
    return true
  } catch (error) {
    if (error instanceof PowerCut) return false
    throw error
  }
}

const played = (seen: Seen[]) => seen.flatMap((one) => (one.saw === 'fault' ? [one.step] : []))
const activeOnes = () => [...server.registry.states.values()].filter((state) => state === 'active')

describe('the power goes', () => {
  test.each(steps)('after %s, and the device comes back to one certificate', async (after) => {
    const device = makeDevice([{ do: 'cut-power', after, off: '2s' }])
    const renews = steps.indexOf(after) > steps.indexOf('published')
    expect(await live(device, renews)).toBe(false)
    expect(device.cuts).toEqual([2_000])
    expect(played(device.seen)).toEqual([after])
    expect(await live(device, renews)).toBe(true)
    expect(server.keys.size).toBe(1)
    const { enrolment, key } = await loadCredentials(device.equipment.store)
    expect(key).toBeDefined()
    expect(enrolment.device.id).toBe('pump-1')
    // The last connection has been admitted with what the store holds then.
    if (!renews) expect(activeOnes()).toHaveLength(1)
    device.end()
  })

  test.each(['enrol-sent', 'key-stored'] as const)('as often as it was planned: after %s', async (after) => {
    const device = makeDevice([{ do: 'cut-power', after, times: 3 }])
    const lives: boolean[] = []
    for (let boots = 0; boots < 4; boots += 1) lives.push(await live(device, false))
    expect(lives).toEqual([false, false, false, true])
    // What was durable stays done: the power goes before anything else then.
    const later = after === 'key-stored' ? 'boot' : after
    expect(played(device.seen)).toEqual([after, later, later])
    device.end()
  })

  test('what the device was doing does not go on, and the broker hears nothing', async () => {
    const device = makeDevice([{ do: 'cut-power', after: 'connected' }])
    const surroundings = device.boot()
    await enrol({ ...surroundings, url: server.url, claim: server.claim, device: 'pump-1' })
    const client = await connect(surroundings)
    const { store } = device.equipment
    expect(() => device.equipment.step('connected')).toThrow(PowerCut)
    client.end(true)
    await expect(store.loadKey()).rejects.toThrow(PowerCut)
    await expect(enrol({ ...surroundings, url: server.url, claim: server.claim })).rejects.toThrow(PowerCut)
    device.boot()
    await expect(store.loadKey()).rejects.toThrow(PowerCut)
    expect(await device.equipment.store.loadKey()).toBeDefined()
    // It is still there for the broker, until the end of the run.
    const [connection] = broker.connections
    expect([connection?.socket.destroyed, connection?.socket.readableEnded, broker.goodbyes]).toEqual([false, false, 0])
    device.end()
    await expect.poll(() => connection?.socket.destroyed).toBe(true)
  })

  test('with memory alone nothing is left', async () => {
    const device = makeDevice([{ do: 'cut-power', after: 'published' }], { store: 'memory' })
    expect(await live(device, false)).toBe(false)
    device.boot()
    expect(await device.equipment.store.loadKey()).toBeUndefined()
    expect(await device.equipment.store.loadEnrolment()).toBeUndefined()
    expect(device.equipment.expects('enrol', 'claim-key-mismatch')).toBe(true)
    device.end()
  })
})

describe('an answer is lost', () => {
  test.each([1, 3])('of an enrolment, %i times: the device gets the same certificate', async (times) => {
    const device = makeDevice([{ do: 'lose-answer', to: 'enrol', times }])
    const codes: string[] = []
    const surroundings = device.boot()
    const onRetry = ({ error }: { error: { code: string } }) => codes.push(error.code)
    await enrol({ ...surroundings, url: server.url, claim: server.claim, device: 'pump-1', onRetry })
    expect(codes).toEqual(Array(times).fill('unavailable'))
    expect(device.equipment.expects('enrol', 'unavailable')).toBe(true)
    expect(played(device.seen)).toEqual(Array(times).fill('enrol-sent' satisfies Step))
    // It asked so often, each time with the same key, and was answered each time.
    expect(server.bodies.filter((body) => body.includes('claim'))).toHaveLength(times + 1)
    expect(server.keys.size).toBe(1)
    device.end()
  })

  test('of a renewal', async () => {
    const device = makeDevice([{ do: 'lose-answer', to: 'renew', times: 1 }])
    const surroundings = device.boot()
    await enrol({ ...surroundings, url: server.url, claim: server.claim, device: 'pump-1' })
    const { by } = await renew({ ...surroundings, newKey: true })
    expect(by).toBe('https')
    expect(played(device.seen)).toEqual(['renewal-sent'])
    device.end()
  })
})

test('a device that loses its keys is off, and has none when it comes back', async () => {
  const device = makeDevice([{ do: 'lose-keys' }])
  expect(await live(device, false)).toBe(false)
  device.boot()
  expect(await device.equipment.store.loadKey()).toBeUndefined()
  expect(device.seen).toEqual([{ saw: 'fault', fault: 'lose-keys', step: 'connected' }])
  expect(device.equipment.expects('enrol', 'device-taken')).toBe(true)
  expect(device.equipment.expects('connect', 'certificate-unknown')).toBe(false)
  device.end()
})

test.each([
  [60_000, true],
  [86_400_000, false],
])('a certificate that lives %i ms: whether the shelf is long enough: %s', async (validityMs, isPlayed) => {
  server.validityMs = validityMs
  const device = makeDevice([{ do: 'shelf', ended: 'certificate' }])
  expect(await live(device, false)).toBe(!isPlayed)
  expect(device.seen.map((one) => one.saw === 'fault' && one.fault)).toEqual(isPlayed ? ['shelf'] : [])
  for (const offMs of device.cuts) expect(offMs).toBeGreaterThan(validityMs - 10_000)
  device.end()
})

test('a device without conditions costs nothing: no dial, no clock', () => {
  const { equipment }: { equipment: Equipment } = makeDevice([])
  expect([equipment.dial, equipment.now, equipment.actors]).toEqual([undefined, undefined, []])
})

test('a wrong clock is the one that the device tells', async () => {
  const device = makeDevice([], { clock: { bootsAt: '1970-01-01T00:00:00Z' }, network: { latency: '5ms' } })
  const surroundings = device.boot()
  await enrol({ ...surroundings, url: server.url, claim: server.claim, device: 'pump-1' })
  await renew(surroundings)
  expect(JSON.parse(server.bodies.at(-1) ?? '').deviceTime.slice(0, 4)).toBe('1970')
  device.end()
})
