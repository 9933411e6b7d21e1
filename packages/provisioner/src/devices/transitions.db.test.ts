import { deviceStates, nextState } from '@muster/contracts'
import { certificates, changes, devices } from '@muster/db'
import { eq } from 'drizzle-orm'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { openStage, refusalOf, type Stage } from '../testing/stage.ts'
import { approveDevice } from './approve.ts'
import { rejectDevice } from './reject.ts'
import { resumeDevice } from './resume.ts'
import { retireDevice } from './retire.ts'
import { revokeDevice } from './revoke.ts'
import { suspendDevice } from './suspend.ts'

let stage: Stage
beforeAll(async () => {
  stage = await openStage()
})
afterAll(() => stage?.[Symbol.asyncDispose]())

const verbs = {
  approve: approveDevice,
  reject: rejectDevice,
  suspend: suspendDevice,
  resume: resumeDevice,
  retire: retireDevice,
  revoke: (ctx: Stage['ctx'], target: { fleet: string; id: string }) => revokeDevice(ctx, target, 'keyCompromise'),
}
const actions = Object.keys(verbs) as (keyof typeof verbs)[]

let key = 0
async function deviceIn(state: string, id: string) {
  await stage.enrolled(id, key++)
  await stage.deps.db
    .update(devices)
    .set({ state: state as never })
    .where(eq(devices.id, id))
  return { fleet: 'default', id }
}
const rowOf = async (id: string) => (await stage.deps.db.select().from(devices).where(eq(devices.id, id)))[0]
const certificateOf = async (id: string) =>
  (await stage.deps.db.select().from(certificates).where(eq(certificates.device, id)))[0]
const changesOf = (id: string) => stage.deps.db.select().from(changes).where(eq(changes.device, id))

describe.each(actions)('%s', (action) => {
  test.each(deviceStates)('from %s', async (from) => {
    const target = await deviceIn(from, `${action}-${from}`)
    const at = stage.advance(1_000)
    const expected = (() => {
      try {
        return nextState(from, action)
      } catch {
        return undefined
      }
    })()
    const code = await refusalOf(verbs[action](stage.ctx, target))
    const row = await rowOf(target.id)
    const entries = (await stage.audited(target.id)).slice(1)
    if (expected) {
      expect(code).toBe('not refused')
      expect(row).toMatchObject({ state: expected, stateAt: at })
      expect(entries).toMatchObject([
        { actor: 'operator:test', action: `device.${action}`, detail: { from, to: expected } },
      ])
    } else if (action === 'revoke' && from === 'revoked') {
      // Revoked by hand, so that there is no revocation to answer with.
      expect(code).toBe('transition-not-allowed')
    } else {
      expect(code).toBe('transition-not-allowed')
      expect(row?.state).toBe(from)
      expect(entries).toEqual([])
      expect(await changesOf(target.id)).toEqual([])
    }
  })

  test('is for this fleet only', async () => {
    const { id } = await deviceIn('active', `${action}-fleet`)
    expect(await refusalOf(verbs[action](stage.ctx, { fleet: 'other', id }))).toBe('device-not-found')
    expect(await refusalOf(verbs[action](stage.ctx, { fleet: 'default', id: 'nobody' }))).toBe('device-not-found')
    expect((await rowOf(id))?.state).toBe('active')
  })
})

test.each([
  ['suspend', 'active', null, 'active'],
  ['resume', 'suspended', null, 'active'],
  ['revoke', 'active', 'keyCompromise', 'revoked'],
  ['retire', 'active', 'cessationOfOperation', 'revoked'],
] as const)('%s tells the brokers, and the certificate is as it should be', async (action, from, reason, state) => {
  const target = await deviceIn(from, `tell-${action}`)
  const listener = await stage.deps.db.$client.connect()
  const told: (string | undefined)[] = []
  listener.on('notification', ({ payload }) => told.push(payload))
  await listener.query('listen muster_changes')
  await verbs[action](stage.ctx, target)
  const [change, ...more] = await changesOf(target.id)
  expect(more).toEqual([])
  expect(change).toMatchObject({ kind: action, fleet: 'default', device: target.id, at: stage.deps.now() })
  await expect.poll(() => told).toEqual([String(change?.seq)])
  listener.release(true)
  expect(await certificateOf(target.id)).toMatchObject({ state, revocationReason: reason })
})

test('approve and reject are no matter of the brokers', async () => {
  for (const action of ['approve', 'reject'] as const) {
    const target = await deviceIn('pending', `quiet-${action}`)
    await verbs[action](stage.ctx, target)
    expect(await changesOf(target.id)).toEqual([])
  }
})

describe('revoke', () => {
  test('twice is one revocation', async () => {
    const target = await deviceIn('active', 'twice-1')
    const first = await revokeDevice(stage.ctx, target, 'keyCompromise')
    stage.advance(5_000)
    expect(await revokeDevice(stage.ctx, target, 'unspecified')).toEqual(first)
    expect(await changesOf(target.id)).toMatchObject([{ kind: 'revoke', reason: 'keyCompromise' }])
    expect(await stage.audited(target.id)).toHaveLength(2)
  })

  test('twenty times at once is one revocation', async () => {
    const target = await deviceIn('active', 'twice-2')
    const all = await Promise.all(Array.from({ length: 20 }, () => revokeDevice(stage.ctx, target, 'unspecified')))
    expect(new Set(all.map(({ revocation }) => revocation)).size).toBe(1)
    expect(await changesOf(target.id)).toHaveLength(1)
  })

  test('in a second life is another revocation', async () => {
    const target = await deviceIn('active', 'twice-3')
    const first = await revokeDevice(stage.ctx, target, 'unspecified')
    await retireDevice(stage.ctx, target)
    await stage.enrolled('twice-3', key++)
    const second = await revokeDevice(stage.ctx, target, 'unspecified')
    expect(second.revocation).not.toBe(first.revocation)
  })

  test('covers certificates that were superseded', async () => {
    const target = await deviceIn('active', 'all-1')
    await stage.deps.db.update(certificates).set({ state: 'superseded' }).where(eq(certificates.device, 'all-1'))
    await revokeDevice(stage.ctx, target, 'keyCompromise')
    expect(await certificateOf('all-1')).toMatchObject({ state: 'revoked' })
  })
})

test('opposites at once leave one consistent state', async () => {
  const target = await deviceIn('active', 'both-1')
  const codes = await Promise.all([
    refusalOf(suspendDevice(stage.ctx, target)),
    refusalOf(revokeDevice(stage.ctx, target, 'unspecified')),
    refusalOf(resumeDevice(stage.ctx, target)),
    refusalOf(retireDevice(stage.ctx, target)),
  ])
  const entries = (await stage.audited('both-1')).slice(1)
  expect(entries).toHaveLength(codes.filter((code) => code === 'not refused').length)
  const last = entries.at(-1)?.detail.to
  expect((await rowOf('both-1'))?.state).toBe(last)
  for (const [index, entry] of entries.entries())
    if (index > 0) expect(entry.detail.from).toBe(entries[index - 1]?.detail.to)
})
