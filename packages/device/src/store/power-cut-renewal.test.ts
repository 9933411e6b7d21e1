import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { enrol } from '../enrol.ts'
import { renew } from '../renew.ts'
import { confirmNext } from '../renewal/confirm-next.ts'
import { openTestDirectory } from '../testing/directory.ts'
import { recordDisk, restoreOutcome } from '../testing/power-cut.ts'
import { startTestProvisioner, wellBehaved } from '../testing/provisioner.ts'
import { serialOf } from '../testing/registry.ts'
import { clockOf } from '../trust/device-clock.ts'
import { openStore } from './file-store.ts'

const quick = { minMs: 1, maxMs: 5 }
const settled = ['certificate.pem', 'enrolment.json', 'key.pem', 'roots.pem']

test.each([true, false])(
  'whatever a power cut leaves of a renewal, the device goes on (new key: %s)',
  async (newKey) => {
    await using server = await startTestProvisioner({ mqttUrl: 'mqtts://localhost:9' })
    await using directory = await openTestDirectory()
    const recorder = recordDisk()
    const store = await openStore(join(directory.path, 'first'), recorder.disk)
    const old = await enrol({ url: server.url, claim: server.claim, store, device: 'pump-1' })
    recorder.mark('enrolled')
    server.script.renew.push(async (exchange) => {
      await exchange.answer()
      recorder.mark('made')
      await wellBehaved(exchange)
    })
    const { enrolment } = await renew({ store, newKey })
    recorder.mark('renewed')
    server.script.renewal.push(async (exchange) => {
      recorder.mark('seen')
      await wellBehaved(exchange)
    })
    await confirmNext(store, { url: server.url, clock: await clockOf(store), dial: undefined, signal: undefined })
    recorder.mark('admitted')

    const outcomes = recorder.outcomes().filter(({ marks }) => marks.includes('enrolled'))
    expect(outcomes.length).toBeGreaterThan(newKey ? 15 : 10)
    const { states } = server.registry
    for (const [index, outcome] of outcomes.entries()) {
      const path = join(directory.path, String(index))
      await restoreOutcome(outcome, path)
      const has = (mark: string) => outcome.marks.includes(mark)
      states.clear()
      states.set(serialOf(old), has('seen') ? 'superseded' : 'active')
      if (has('made')) states.set(serialOf(enrolment), has('seen') ? 'active' : 'pending')

      const again = await openStore(path)
      const [current, next] = [(await again.loadEnrolment())?.enrolment, (await again.loadNext())?.enrolment]
      expect([old, enrolment]).toContainEqual(current)
      if (has('renewed')) expect([current, next]).toContainEqual(enrolment)
      if (has('admitted')) expect(current).toEqual(enrolment)
      await renew({ store: again, ...quick })
      expect([...states.values()].filter((state) => state === 'active')).toHaveLength(1)
      await confirmNext(again, { url: server.url, clock: await clockOf(again), dial: undefined, signal: undefined })
      expect(await readdir(path)).toEqual(settled)
      await expect(openStore(path)).resolves.toBeDefined()
    }
  },
)

test('two stores on one directory that renew at once leave one active certificate', async () => {
  await using server = await startTestProvisioner({ mqttUrl: 'mqtts://localhost:9' })
  await using directory = await openTestDirectory()
  const open = () => openStore(join(directory.path, 'store'))
  const [one, two] = [await open(), await open()]
  await enrol({ url: server.url, claim: server.claim, store: one, device: 'pump-1' })
  const renewals = await Promise.all([one, two].map((store) => renew({ store, newKey: true, ...quick })))
  expect(new Set(renewals.map((renewal) => serialOf(renewal.enrolment))).size).toBeLessThanOrEqual(2)
  const fresh = await open()
  await renew({ store: fresh, ...quick })
  expect([...server.registry.states.values()].filter((state) => state === 'active')).toHaveLength(1)
})
