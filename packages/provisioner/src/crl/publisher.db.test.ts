import { crls } from '@muster/db'
import { and, eq } from 'drizzle-orm'
import { pino } from 'pino'
import { expect, test, vi } from 'vitest'
import { revokeDevice } from '../devices/revoke.ts'
import { openIssuerStage } from '../testing/issuer-stage.ts'
import { createPkiPlaces } from './places.ts'
import { startCrlPublisher } from './publisher.ts'

const hourMs = 3_600_000
const restMs = 200

test('in a wave of revocations a list is not made anew with each of them, and what is revoked is known all the same', async () => {
  await using stage = await openIssuerStage()
  const { ctx, url } = stage
  const devices = Array.from({ length: 25 }, (_, index) => `pump-${index}`)
  for (const [key, device] of devices.entries()) await stage.stage.enrolled(device, key)
  const learned: string[] = []
  await using _ = await startCrlPublisher({
    ...{ db: ctx.db, now: ctx.now, issuers: ctx.issuers, url, log: pino({ level: 'silent' }) },
    places: createPkiPlaces('http://pki.example'),
    settings: { periodMs: 6 * hourMs, lifetimeMs: 24 * hourMs },
    onRevoked: (serial) => learned.push(serial),
    onPublished: () => undefined,
  })
  const isComplete = and(eq(crls.shard, 0), eq(crls.kind, 'full'))
  const complete = async () => (await ctx.db.select().from(crls).where(isComplete))[0]
  const first = (await complete())?.number ?? 0
  const startedAt = performance.now()
  for (const id of devices) {
    await revokeDevice(ctx, { fleet: 'default', id }, 'keyCompromise')
    await vi.waitFor(() => expect(learned.length).toBeGreaterThan(devices.indexOf(id)))
  }
  await vi.waitFor(async () => expect((await complete())?.entries).toBe(devices.length), { timeout: 5_000 })
  const most = Math.floor((performance.now() - startedAt) / restMs) + 2
  expect(((await complete())?.number ?? 0) - first).toBeLessThanOrEqual(most)
})
