import type { Seen } from '@muster/device-sim/faults'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type FaultyDevice, playDevice } from './harness/faulty-device.ts'
import { type Stack, startStack } from './harness/stack.ts'
import { waitFor } from './harness/wait.ts'

// One platform for all of them; what takes its time (handshakes that are waited for) goes on side by side.
let stack: Stack
let shelved: FaultyDevice
beforeAll(async () => {
  stack = await startStack()
  // The shortest life that a certificate can have: this one is on its shelf while the others are played.
  await stack.process('provisioner').kill()
  await stack.start('provisioner', { MUSTER_CERTIFICATE_VALIDITY: '30s' })
  shelved = await playDevice(stack, { id: 'shelved-2', faults: [{ do: 'shelf', ended: 'certificate' }] })
  await waitFor('it is on its shelf', () => shelved.faults('shelf').length > 0)
  await stack.process('provisioner').kill()
  await stack.start('provisioner', {})
})
afterAll(() => stack?.[Symbol.asyncDispose]())

interface Certificate {
  serial: string
  state: string
}

const certificatesOf = async (id: string): Promise<Certificate[]> =>
  (await stack.api(`/v1/devices/${id}/certificates`)).json.items
const refusalsOf = async (id: string): Promise<{ code: string; count: number; alert: boolean }[]> =>
  (await stack.api(`/v1/refusals?device=${id}&limit=100`)).json.items
const onRecord = (id: string, code: string) =>
  waitFor(`${code} of ${id}`, async () => (await refusalsOf(id)).find((refusal) => refusal.code === code))
const isRefusal = (seen: Seen): seen is Extract<Seen, { saw: 'refused' }> => seen.saw === 'refused'
const codesOf = ({ seen }: FaultyDevice) => seen.filter(isRefusal).map(({ code }) => code)
const connectedAttackers = ({ seen }: FaultyDevice) => seen.filter((one) => one.saw === 'connected' && one.attacker)

describe.concurrent('what a device suffers', () => {
  test('the answer to an enrolment is lost: the platform has the certificate, the device has not, and gets the same one', async () => {
    const faults = [{ do: 'lose-answer', to: 'enrol', times: 2 }]
    await using device = await playDevice(stack, { id: 'unheard-1', faults })
    await waitFor('the first loss', () => device.faults('lose-answer').length > 0)
    const [first] = await certificatesOf(device.id)
    const stored = await device.equipment.store.loadEnrolment()
    expect({ issued: first?.state, stored }).toEqual({ issued: 'active', stored: undefined })
    await device.working
    expect(device.faults('lose-answer')).toHaveLength(2)
    expect(await certificatesOf(device.id)).toMatchObject([{ serial: first?.serial }])
  })

  test('the answer to a renewal is lost: no second one is made', async () => {
    const faults = [{ do: 'lose-answer', to: 'renew' }]
    await using device = await playDevice(stack, { id: 'unheard-2', faults, renews: true })
    await device.working
    expect(device.faults('lose-answer')).toMatchObject([{ step: 'renewal-sent' }])
    expect(await certificatesOf(device.id)).toHaveLength(2)
  })

  test.each([
    'boot',
    'key-stored',
    'root-fetched',
    'enrol-sent',
    'enrol-answered',
    'certificate-stored',
    'connected',
    'published',
    'renewal-sent',
    'renewal-answered',
    'next-stored',
  ])('the power goes after %s: it comes back, to one certificate', async (after) => {
    const renews = after.startsWith('renewal') || after.startsWith('next')
    const faults = [{ do: 'cut-power', after, off: '50ms' }]
    await using device = await playDevice(stack, { id: `cut-${after}`, faults, renews })
    await device.working
    expect(device.faults('cut-power')).toMatchObject([{ step: after }])
    expect(device.boots).toBe(2)
    const states = (await certificatesOf(device.id)).map(({ state }) => state)
    expect(states.filter((state) => state === 'active')).toHaveLength(1)
    // The one that a renewal after the cut has brought waits for its first connection.
    if (!renews) expect(states).toEqual(['active'])
  })

  test('two boards with one claim: one of them is the device', async () => {
    await using device = await playDevice(stack, { id: 'twin-1', faults: [{ do: 'boot-twice' }] })
    const second = () => device.seen.filter((seen) => seen.saw === 'certificate')
    await waitFor('one is in and one is refused', () =>
      device.refusal ? second().length > 0 : device.seen.some(isRefusal),
    )
    const refused = [device.refusal?.code, ...codesOf(device)].filter(Boolean)
    expect(second()).toHaveLength(device.refusal ? 1 : 0)
    expect(refused).toEqual(['claim-key-mismatch'])
    expect(device.equipment.expects('enrol', refused[0] ?? '')).toBe(true)
    expect(await certificatesOf(device.id)).toHaveLength(1)
    expect(await onRecord(device.id, 'claim-key-mismatch')).toMatchObject({ alert: true })
  })

  test('its keys are lost: its claim is of no use for another key', async () => {
    await using device = await playDevice(stack, { id: 'wiped-1', faults: [{ do: 'lose-keys' }] })
    await waitFor('the refusal', () => device.refusal)
    expect(device.refusal?.code).toBe('claim-key-mismatch')
    expect(device.faults('lose-keys')).toHaveLength(1)
    expect(await certificatesOf(device.id)).toHaveLength(1)
  })

  test('it was on a shelf until its claim had ended', async () => {
    const id = 'shelved-1'
    const claim = await stack.createClaim({ device: id, expiresIn: '1s' })
    const madeAt = Date.now()
    await waitFor('its end', () => Date.now() > madeAt + 1_000)
    await using device = await playDevice(stack, { id, claim, faults: [{ do: 'shelf', ended: 'claim' }] })
    await waitFor('the refusal', () => device.refusal)
    expect(device.refusal?.code).toBe('claim-expired')
    expect(device.faults('shelf')).toHaveLength(1)
    expect(device.equipment.expects('enrol', 'claim-expired')).toBe(true)
  })
})

describe.concurrent('who makes trouble', () => {
  test('a clone is recognised, with both addresses', async () => {
    await using device = await playDevice(stack, { id: 'copied-1', faults: [{ do: 'clone', after: '100ms' }] })
    await waitFor('the clone is there', () => connectedAttackers(device).length > 0, { timeoutMs: 30_000 })
    expect(await onRecord(device.id, 'certificate-cloned')).toMatchObject({ alert: true })
  })

  test('a thief with the claim gets nothing', async () => {
    await using device = await playDevice(stack, { id: 'robbed-1', faults: [{ do: 'steal-claim' }] })
    await waitFor('the refusal', () => device.seen.find(isRefusal))
    expect(codesOf(device)).toEqual(['claim-key-mismatch'])
    expect(device.notes).toEqual([{ reason: 'enrol:claim-key-mismatch', expected: true }])
    expect(await certificatesOf(device.id)).toHaveLength(1)
    expect(await onRecord(device.id, 'claim-key-mismatch')).toMatchObject({ alert: true })
  })

  test('a revoked device that hammers is kept out', async () => {
    await using device = await playDevice(stack, { id: 'hammer-1', faults: [{ do: 'hammer', every: '100ms' }] })
    await device.working
    await stack.api(`/v1/devices/${device.id}/revoke`, { body: { reason: 'keyCompromise' } })
    // After three refusals it is made to wait for the next.
    await waitFor('it has tried five times', () => codesOf(device).length >= 5, { timeoutMs: 30_000 })
    expect(device.seen.some(({ saw }) => saw === 'connected')).toBe(false)
    expect(codesOf(device)[0]).toMatch(/^(certificate|device)-revoked$/)
    await onRecord(device.id, codesOf(device)[0] ?? '')
  })

  test('a trespasser is granted nothing, and every refusal is on record', async () => {
    const faults = [{ do: 'trespass', every: '20ms' }]
    await using device = await playDevice(stack, { id: 'trespasser-00002', faults })
    const trespasses = () => device.seen.filter((seen) => seen.saw === 'trespass')
    const topics = () => new Set(trespasses().map(({ topic }) => topic)).size
    await waitFor('it has tried all', () => topics() >= 23, { timeoutMs: 30_000 })
    expect(trespasses().filter(({ accepted }) => accepted)).toEqual([])
    await onRecord(device.id, 'publish-denied')
    await onRecord(device.id, 'subscribe-denied')
    const { json } = await stack.api('/v1/telemetry?prefix=trespasser-00001')
    expect(json.items).toEqual([])
  })

  test('a broken client is put out, and comes back as the device that it is', async () => {
    const faults = [{ do: 'malformed', every: '50ms' }]
    await using device = await playDevice(stack, { id: 'broken-1', faults })
    const reasons = () => new Set(device.notes.map(({ reason }) => reason))
    // Before CONNECT, and after it.
    await waitFor('all kinds', () => reasons().has('connect:closed') && reasons().has('publish:0x81'), {
      timeoutMs: 40_000,
    })
    await onRecord(device.id, 'packet-malformed')
    expect(connectedAttackers(device)).toEqual([])
    expect(device.refusal).toBeUndefined()
  })

  test.each(['handshake', 'connect'])('a client that is slow in its %s is ended', async (how) => {
    await using device = await playDevice(stack, { id: `slow-${how}`, faults: [{ do: 'slow', how }] })
    await waitFor('its end', () => device.seen.find(isRefusal), { timeoutMs: 40_000 })
    expect(codesOf(device)[0]).toBe('closed')
    expect(device.refusal).toBeUndefined()
  })

  test('a device that does not read is deaf, and no more', async () => {
    await using device = await playDevice(stack, { id: 'slow-read', faults: [{ do: 'slow', how: 'read' }] })
    await waitFor('it has begun', () => device.faults('slow').length > 0)
    await using other = await playDevice(stack, { id: 'slow-beside', faults: [] })
    await other.working
  })

  test('a certificate of another CA opens nothing, and a board with the root of another platform trusts none of this', async () => {
    const faults = [{ do: 'wrong-ca', every: '100ms' }]
    await using device = await playDevice(stack, { id: 'forged-1', faults })
    await waitFor('two attempts', () => codesOf(device).length >= 2)
    expect(codesOf(device)[0]).toBe('certificate-untrusted')
    expect(connectedAttackers(device)).toEqual([])
    expect(device.notes[0]).toEqual({ reason: 'enrol:certificate-untrusted', expected: true })
    expect(await onRecord(device.id, 'certificate-untrusted')).toMatchObject({ alert: true })
  })
})

// Last: until now it has been on its shelf.
test('it was on a shelf until its certificate had ended', async () => {
  await using device = shelved
  expect(device.faults('shelf')).toMatchObject([{ step: 'certificate-stored' }])
  await waitFor('the refusal', () => device.refusal, { timeoutMs: 50_000 })
  expect(device.refusal?.code).toBe('certificate-expired')
  expect(device.boots).toBe(2)
  expect(device.equipment.expects('connect', 'certificate-expired')).toBe(true)
  await onRecord(device.id, 'certificate-expired')
})
