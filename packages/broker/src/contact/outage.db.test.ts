import { type DatabaseGate, openDatabaseGate } from '@muster/db/testing'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { nextEvent, startTestBroker, type TestBroker } from '../testing.ts'

let gate: DatabaseGate
let muster: TestBroker
beforeEach(async () => {
  gate = await openDatabaseGate()
})
afterEach(async () => {
  await gate.open()
  await muster?.[Symbol.asyncDispose]()
  await gate[Symbol.asyncDispose]()
})

const start = async (freshnessMs: number) => {
  muster = await startTestBroker({ gate, limits: { freshnessMs } })
}
const readiness = async () => {
  const answer = await fetch(`http://127.0.0.1:${muster.broker.metricsPort}/readyz`)
  return `${answer.status} ${(await answer.text()).split(':')[0]?.trim()}`
}
const reaches = (expected: string) =>
  vi.waitFor(async () => expect(await readiness()).toBe(expected), { timeout: 20_000, interval: 20 })
const away = '200 degraded'

describe.each(['refuse', 'freeze'] as const)('the database is away (%s)', (how) => {
  test('sessions stay, known devices get in, others and the revoked do not; afterwards all is as before', async () => {
    await start(60_000)
    const known = await muster.addDevice('known')
    const stranger = await muster.addDevice('stranger')
    const revoked = await muster.addDevice('revoked')
    const staying = await muster.connect(await muster.addDevice('staying'))
    for (const device of [known, revoked]) await (await muster.connect(device)).endAsync()
    await muster.receipt(await muster.change(revoked, 'revoke'))

    await gate.close(how)
    await reaches(away)
    const again = await muster.connect(known)
    await expect(muster.connect(stranger)).rejects.toMatchObject({ code: 3 })
    await expect(muster.connect(revoked)).rejects.toMatchObject({ code: 5 })
    expect([staying.connected, again.connected]).toEqual([true, true])
    const suspended = await muster.change(known, 'suspend')

    const closed = nextEvent(again, 'close')
    await gate.open()
    await closed
    await muster.receipt(suspended)
    await reaches('200 ready')
    await (await muster.connect(stranger)).endAsync()
    await expect(muster.connect(known)).rejects.toMatchObject({ code: 5 })
    expect(staying.connected).toBe(true)
    await staying.endAsync()
  })
})

test('when the bound is over everybody is out and nobody gets in, until the database is back', async () => {
  await start(3_000)
  const device = await muster.addDevice('bounded')
  const client = await muster.connect(device, { protocolVersion: 5 })
  const told = nextEvent(client, 'disconnect')
  const closed = nextEvent(client, 'close')
  await gate.close('refuse')
  await closed
  expect(await told).toMatchObject({ reasonCode: 0x89 })
  await expect(muster.connect(device)).rejects.toMatchObject({ code: 3 })
  expect(await readiness()).toBe('503 not ready')
  await gate.open()
  await reaches('200 ready')
  await (await muster.connect(device)).endAsync()
})

describe('a broker that is started while the database is away', () => {
  test('serves whom it knows, and whom it has shut out stays out', async () => {
    await start(60_000)
    const known = await muster.addDevice('known')
    const revoked = await muster.addDevice('revoked')
    for (const device of [known, revoked]) await (await muster.connect(device)).endAsync()
    await muster.receipt(await muster.change(revoked, 'revoke'))
    await gate.close('refuse')
    await reaches(away)
    await muster.broker[Symbol.asyncDispose]()
    await muster.start()
    expect(await readiness()).toBe(away)
    await (await muster.connect(known)).endAsync()
    await expect(muster.connect(revoked)).rejects.toMatchObject({ code: 5 })
    await gate.open()
    await reaches('200 ready')
    await (await muster.connect(await muster.addDevice('new'))).endAsync()
  })

  test('does not start when the one before has told the registry that it leaves', async () => {
    await start(60_000)
    await (await muster.connect(await muster.addDevice('known'))).endAsync()
    await muster.broker[Symbol.asyncDispose]()
    await gate.close('refuse')
    await expect(muster.start()).rejects.toThrow()
    await gate.open()
    await muster.start()
  })
})
