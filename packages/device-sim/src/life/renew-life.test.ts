import { startTestBroker, startTestProvisioner } from '@muster/device/testing'
import { expect, test, vi } from 'vitest'
import { KeyPool } from '../keys/key-pool.ts'
import { planDevice } from '../plan/plan-device.ts'
import { Scenario } from '../scenario/schema.ts'
import { Scheduler } from '../telemetry/scheduler.ts'
import { Account } from '../worker/account.ts'
import { Life } from './life.ts'
import type { World } from './world.ts'

const dayMs = 86_400_000
/** A day is a second. */
class HastyScheduler extends Scheduler {
  override after(ms: number, run: () => void) {
    return super.after((ms * 1_000) / dayMs, run)
  }
}

const scenario = Scenario.parse({
  ...{ name: 'one', title: 'One device', devices: { thing: { count: 1 } } },
  phases: [{ do: 'boot', over: '1s' }],
})

test('a device asks when to renew on its way there, and follows an operator who has pulled the window forward', async () => {
  await using server = await startTestProvisioner()
  await using broker = await startTestBroker(server.ca)
  server.mqttUrl = broker.url
  broker.judge = (certificate) => ('code' in server.registry.use(certificate.serialNumber.toLowerCase()) ? 0x87 : 0)
  const ending = new AbortController()
  const failures: unknown[] = []
  const world: World = {
    ...{ run: 'one', seed: 1, url: server.url, claimOf: () => server.claim, prepare: undefined },
    ...{ keepRenewed: undefined, account: new Account(), observe: () => undefined },
    ...{ scheduler: new HastyScheduler(), keys: new KeyPool(), asking: (task) => task(), connecting: (task) => task() },
    ...{ acting: ending.signal, signal: ending.signal, fail: (error) => void failures.push(error) },
  }
  const life = new Life(world, planDevice(scenario, 'sim', 0))
  life.boot()
  await vi.waitFor(() => expect(life.state).toBe('connected'), { timeout: 5_000 })
  // The window of its certificate is two months away: it asks each hour, and is told nothing new.
  let questions = 0
  server.script.renewal.push(async ({ answer, reply }) => {
    questions += 1
    const { status, body } = await answer()
    reply(status, body)
  })
  await vi.waitFor(() => expect(questions).toBe(1), { timeout: 5_000 })
  expect(world.account.counts.renewals).toBe(0)
  server.window = { start: new Date(), end: new Date() }
  await vi.waitFor(() => expect(broker.connections).toHaveLength(2), { timeout: 5_000 })
  server.window = undefined
  expect(world.account.counts.renewals).toBe(1)
  expect(broker.connections[1]?.serial).not.toBe(broker.connections[0]?.serial)
  life.shutDown()
  world.scheduler.clear()
  ending.abort()
  expect(failures).toEqual([])
})
