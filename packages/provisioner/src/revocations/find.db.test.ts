import { nodes, receipts } from '@muster/db'
import { eq } from 'drizzle-orm'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { revokeDevice } from '../devices/revoke.ts'
import { suspendDevice } from '../devices/suspend.ts'
import { openStage, refusalOf, type Stage } from '../testing/stage.ts'
import { findRevocation } from './find.ts'

let stage: Stage
beforeAll(async () => {
  stage = await openStage()
})
afterAll(() => stage?.[Symbol.asyncDispose]())

test('complete when every node that may hold a session has a receipt', async () => {
  const now = stage.deps.now()
  const lease = (ms: number) => new Date(Date.now() + ms)
  await stage.owner.insert(nodes).values([
    { name: 'live-1', startedAt: now, leaseUntil: lease(60_000) },
    { name: 'live-2', startedAt: now, leaseUntil: lease(60_000) },
    { name: 'gone', startedAt: now, leaseUntil: lease(60_000), leftAt: now },
    { name: 'lost', startedAt: now, leaseUntil: lease(0) },
  ])
  await stage.enrolled('r-1', 1)
  const { revocation } = await revokeDevice(stage.ctx, { fleet: 'default', id: 'r-1' }, 'privilegeWithdrawn')
  const find = () => findRevocation(stage.deps, { fleet: 'default', id: revocation })
  const receipt = (node: string, connectionsClosed: number) =>
    stage.owner
      .insert(receipts)
      .values({ change: Number(revocation), node, connectionsClosed, sessionPurged: true, at: now })

  expect(await find()).toMatchObject({ device: 'r-1', reason: 'privilegeWithdrawn', complete: false, nodes: [] })
  await receipt('live-1', 1)
  expect(await find()).toMatchObject({ complete: false, nodes: [{ node: 'live-1', connectionsClosed: 1 }] })
  await receipt('live-2', 0)
  expect(await find()).toMatchObject({ complete: true, nodes: [{ node: 'live-1' }, { node: 'live-2' }] })
  await stage.owner
    .update(nodes)
    .set({ leftAt: null, leaseUntil: lease(60_000) })
    .where(eq(nodes.name, 'gone'))
  expect((await find()).complete).toBe(false)
})

test('is of its fleet, and only of revocations', async () => {
  await stage.enrolled('r-2', 2)
  const target = { fleet: 'default', id: 'r-2' }
  await suspendDevice(stage.ctx, target)
  const { revocation } = await revokeDevice(stage.ctx, target, 'unspecified')
  for (const id of [String(Number(revocation) - 1), '0', '-1', '9999999999999999999', 'x', ''])
    expect(await refusalOf(findRevocation(stage.deps, { fleet: 'default', id }))).toBe('revocation-not-found')
  expect(await refusalOf(findRevocation(stage.deps, { fleet: 'other', id: revocation }))).toBe('revocation-not-found')
})
