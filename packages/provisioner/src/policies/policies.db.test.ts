import { Policy } from '@muster/contracts'
import { changes, devices } from '@muster/db'
import { eq } from 'drizzle-orm'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { attachToClaim } from '../claims/attach.ts'
import { updateDevice } from '../devices/update.ts'
import { updateFleet } from '../fleets/update.ts'
import { updateGroup } from '../groups/attach.ts'
import { listenAs } from '../testing/holder.ts'
import { openStage, readJson, refusalOf, type Stage } from '../testing/stage.ts'
import { findPolicy, findPolicyRecord } from './find.ts'
import { listPolicies, listVersions } from './list.ts'
import { removePolicy } from './remove.ts'
import { savePolicy } from './save.ts'

let stage: Stage
beforeAll(async () => {
  stage = await openStage()
})
afterAll(() => stage?.[Symbol.asyncDispose]())

const documentOf = (name: string, topic = 'a') => Policy.parse({ name, allow: [{ publish: [topic] }] })
const save = (name: string, topic?: string, expected?: number, fleet = 'default') =>
  savePolicy(stage.ctx, { fleet, document: documentOf(name, topic), expected })
const target = (name: string, fleet = 'default') => ({ fleet, name })

describe('saving works', () => {
  test('every save is a version, with who and when; brokers hear of it at commit', async () => {
    await using broker = await listenAs(stage, 'muster_changes')
    expect(await save('v', 'a')).toMatchObject({ version: 1, savedBy: 'operator:test', change: null })
    const later = stage.advance(60_000)
    const second = await save('v', 'b')
    expect(second).toMatchObject({ version: 2, savedAt: later.toISOString() })
    expect(await findPolicyRecord(stage.deps.db, target('v'), 1)).toMatchObject({ document: documentOf('v', 'a') })
    expect(await findPolicy(stage.deps.db, target('v'))).toEqual({ version: 2, document: documentOf('v', 'b') })
    const { items } = await listVersions(stage.deps, target('v'), { limit: 10 })
    expect(items.map(({ version }) => version)).toEqual([2, 1])
    expect(await stage.audited('v')).toMatchObject([
      { action: 'policy.save', detail: { version: 1, before: null } },
      { action: 'policy.save', detail: { version: 2, before: 1 } },
    ])
    const [row] = await stage.owner.select().from(changes).where(eq(changes.policy, 'v'))
    expect(row).toMatchObject({ kind: 'policy', fleet: 'default', device: null, group: null })
    expect(second.change).toBe(String(row?.seq))
    await expect.poll(() => broker.heard).toContain(second.change)
  })

  test('what is saved already is no new version', async () => {
    await save('same')
    expect(await save('same')).toMatchObject({ version: 1, change: null })
    expect(await stage.audited('same')).toHaveLength(1)
  })

  test('numbers go on after a policy was deleted', async () => {
    await save('phoenix', 'a')
    await removePolicy(stage.ctx, target('phoenix'))
    expect(await refusalOf(findPolicy(stage.deps.db, target('phoenix')))).toBe('policy-not-found')
    expect(await save('phoenix', 'b')).toMatchObject({ version: 2 })
    expect((await stage.audited('phoenix')).map(({ action }) => action)).toEqual([
      'policy.save',
      'policy.delete',
      'policy.save',
    ])
  })
})

describe('saving rejects', () => {
  test('a preset, a lost update, a fleet that is not there', async () => {
    await save('lost', 'a')
    await save('lost', 'b', 1)
    expect(await refusalOf(save('lost', 'c', 1))).toBe('conflict')
    expect(await refusalOf(save('lost', 'c', 0))).toBe('conflict')
    expect(await refusalOf(save('none', 'c', 3))).toBe('conflict')
    for (const preset of ['device', 'service']) expect(await refusalOf(save(preset))).toBe('conflict')
    expect(await refusalOf(save('x', 'a', undefined, 'nowhere'))).toBe('fleet-not-found')
  })

  test('over HTTP: says where the document is wrong', async () => {
    const put = (body: unknown, headers = {}) => stage.call('PUT', '/v1/policies/http', body, headers)
    const wrong = await put({ name: 'http', allow: [{ publish: ['a'] }, { subscribe: ['b', 'c#'] }] })
    expect(wrong.status).toBe(400)
    expect(await readJson(wrong)).toMatchObject({ errors: [{ pointer: '/allow/1/subscribe/1' }] })
    expect((await put({ name: 'other', allow: [] })).status).toBe(400)
    expect((await put({ name: 'http', allow: [] }, { 'if-match': '"0"' })).status).toBe(200)
    const stale = await put({ name: 'http', allow: [{ publish: ['a'] }] }, { 'if-match': '"7"' })
    expect([stale.status, (await readJson(stale)).type]).toEqual([409, 'urn:muster:error:conflict'])
    expect((await stage.call('GET', '/v1/policies/http')).headers.get('etag')).toBe('"1"')
    expect((await stage.app.request('/v1/policies/http', { method: 'PUT' })).status).toBe(401)
  })
})

describe('saving is safe', () => {
  test('many at once: every one a version of its own; of those that expect the same, one', async () => {
    const saved = await Promise.all(Array.from({ length: 6 }, (_, index) => save('race', `a/${index}`)))
    expect(saved.map(({ version }) => version).sort()).toEqual([1, 2, 3, 4, 5, 6])
    const codes = await Promise.all(Array.from({ length: 5 }, (_, index) => refusalOf(save('race', `b/${index}`, 6))))
    expect(codes.filter((code) => code === 'not refused')).toHaveLength(1)
    expect(codes.filter((code) => code === 'conflict')).toHaveLength(4)
  })

  test('a fleet sees and uses its own policies alone', async () => {
    await save('mine')
    await stage.enrolled('isolated', 7)
    expect(await refusalOf(findPolicy(stage.deps.db, target('mine', 'other')))).toBe('policy-not-found')
    expect(await refusalOf(removePolicy(stage.ctx, target('mine', 'other')))).toBe('policy-not-found')
    const { items } = await listPolicies(stage.deps, { fleet: 'other', limit: 100 })
    expect(items.map(({ name }) => name)).toEqual(['device', 'service'])
    await save('theirs', 'a', undefined, 'other')
    const request = { policy: 'theirs' }
    expect(await refusalOf(updateDevice(stage.ctx, { fleet: 'default', id: 'isolated' }, request))).toBe(
      'policy-not-found',
    )
    expect(await refusalOf(updateFleet(stage.ctx, 'default', request))).toBe('policy-not-found')
    expect(await refusalOf(updateGroup(stage.ctx, target('default'), 'theirs'))).toBe('policy-not-found')
    expect(await refusalOf(updateDevice(stage.ctx, { fleet: 'other', id: 'isolated' }, request))).toBe(
      'device-not-found',
    )
  })
})

describe('deleting', () => {
  test('is refused while it is attached anywhere', async () => {
    await save('used')
    const device = { fleet: 'default', id: 'user-1' }
    await stage.enrolled('user-1', 8)
    const attempt = () => refusalOf(removePolicy(stage.ctx, target('used')))
    const fleet = (policy: string | null) => updateFleet(stage.ctx, 'default', { policy })
    const group = (policy: string | null) => updateGroup(stage.ctx, target('default'), policy)
    for (const attach of [fleet, group, (policy: string | null) => updateDevice(stage.ctx, device, { policy })]) {
      const { change } = await attach('used')
      expect(change).not.toBeNull()
      expect(await attempt()).toBe('policy-in-use')
      expect((await attach('used')).change).toBeNull()
      await attach(null)
    }
    const id = (await stage.claim()).split('.')[1] ?? ''
    await attachToClaim(stage.ctx, { fleet: 'default', id }, 'used')
    expect(await attempt()).toBe('policy-in-use')
    await attachToClaim(stage.ctx, { fleet: 'default', id }, null)
    expect(await attempt()).toBe('not refused')
    expect((await stage.audited('user-1')).map(({ action }) => action)).toEqual([
      'device.enrol',
      'device.attach',
      'device.attach',
    ])
    expect((await stage.audited(id)).map(({ action }) => action)).toEqual([
      'claim.create',
      'claim.attach',
      'claim.attach',
    ])
  })

  test('and attaching at once: never attached to nothing', async () => {
    await stage.enrolled('racer', 9)
    for (let round = 0; round < 5; round++) {
      await save(`r-${round}`)
      const [removed, attached] = await Promise.all([
        refusalOf(removePolicy(stage.ctx, target(`r-${round}`))),
        refusalOf(updateDevice(stage.ctx, { fleet: 'default', id: 'racer' }, { policy: `r-${round}` })),
      ])
      expect([removed, attached].filter((code) => code === 'not refused')).toHaveLength(1)
      await updateDevice(stage.ctx, { fleet: 'default', id: 'racer' }, { policy: null })
    }
  })

  test('a claim that names it keeps it for its devices', async () => {
    await save('kept')
    const claim = await stage.claim({ device: 'keeper', policy: 'kept' })
    await stage.enrol(claim, 10)
    const [row] = await stage.owner.select().from(devices).where(eq(devices.id, 'keeper'))
    expect(row).toMatchObject({ policy: null, claimPolicy: 'kept' })
    expect(await refusalOf(removePolicy(stage.ctx, target('kept')))).toBe('policy-in-use')
    expect(await readJson(await stage.call('GET', '/v1/devices/keeper'))).toMatchObject({
      policy: 'kept',
      policyFrom: 'claim',
    })
    expect(await readJson(await stage.call('GET', '/v1/policies/kept'))).toMatchObject({
      attached: { fleet: false, groups: [], claims: 0, devices: 1 },
    })
  })
})
