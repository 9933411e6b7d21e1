import { Policy } from '@muster/contracts'
import { changes } from '@muster/db'
import { and, eq } from 'drizzle-orm'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { retireDevice } from '../devices/retire.ts'
import { updateDevice } from '../devices/update.ts'
import { checkPolicy } from '../policies/check.ts'
import { savePolicy } from '../policies/save.ts'
import { propose } from '../previews/propose.ts'
import { enrolHolder, renewHolder } from '../testing/holder.ts'
import { openStage, readJson, refusalOf, type Stage } from '../testing/stage.ts'
import { updateGroup } from './attach.ts'
import { createGroup } from './create.ts'
import { listGroups } from './list.ts'

let stage: Stage
beforeAll(async () => {
  stage = await openStage()
  for (const name of ['p-1', 'p-2']) {
    const document = Policy.parse({ name, allow: [{ publish: [`${name}/\${group}`] }] })
    await savePolicy(stage.ctx, { fleet: 'default', document })
  }
})
afterAll(() => stage?.[Symbol.asyncDispose]())

const group = (name: string, fleet = 'default') => ({ fleet, name })
const device = (id: string) => ({ fleet: 'default', id })
const names = async (fleet = 'default') =>
  (await listGroups(stage.deps, { fleet, limit: 100 })).items.map(({ name }) => name)

describe('groups', () => {
  test('are there by being used, by being created, and never in another fleet', async () => {
    await stage.claim({ group: 'by-claim' })
    await enrolHolder(stage, 'g-1', 1, { group: 'by-device' })
    await createGroup(stage.ctx, { fleet: 'default', name: 'created', policy: 'p-1' })
    expect(await names()).toEqual(['by-claim', 'by-device', 'created'])
    expect(await names('other')).toEqual([])
    const { items, next } = await listGroups(stage.deps, { fleet: 'default', limit: 2 })
    expect(items.map(({ devices }) => devices)).toEqual([0, 1])
    const rest = await listGroups(stage.deps, { fleet: 'default', limit: 2, cursor: next ?? undefined })
    expect(rest.items).toMatchObject([{ name: 'created', policy: 'p-1' }])
    expect(await stage.audited('created')).toMatchObject([{ action: 'group.create' }, { action: 'group.attach' }])
  })

  test('rejects a name that is there, a group that is not, a policy that is not', async () => {
    const again = { fleet: 'default', name: 'created', policy: null }
    expect(await refusalOf(createGroup(stage.ctx, again))).toBe('conflict')
    expect(await refusalOf(updateGroup(stage.ctx, group('nobody'), 'p-1'))).toBe('group-not-found')
    expect(await refusalOf(updateGroup(stage.ctx, group('created', 'other'), null))).toBe('group-not-found')
    expect(await refusalOf(updateGroup(stage.ctx, group('created'), 'nothing'))).toBe('policy-not-found')
    expect(await refusalOf(createGroup(stage.ctx, { fleet: 'nowhere', name: 'x', policy: null }))).toBe(
      'fleet-not-found',
    )
  })
})

describe('moving a device', () => {
  test('works: a change for its brokers, a trace, a renewal that is due, and a certificate that says so', async () => {
    const certificate = await enrolHolder(stage, 'm-1', 2, { group: 'from' })
    expect(certificate.subject).toContain('OU=from')
    stage.advance(60_000)
    const moved = await updateDevice(stage.ctx, device('m-1'), { group: 'to' })
    expect(moved).toMatchObject({ group: 'to', policy: 'device', policyFrom: 'preset' })
    const [row] = await stage.owner
      .select()
      .from(changes)
      .where(and(eq(changes.device, 'm-1'), eq(changes.kind, 'group')))
    expect(String(row?.seq)).toBe(moved.change)
    const audited = await stage.audited('m-1')
    expect(audited.at(-1)).toMatchObject({ action: 'device.move', detail: { from: 'from', to: 'to' } })
    stage.advance(3_600_000)
    const due = await readJson(await stage.callWith(certificate, 'GET', '/v1/renewal'))
    expect(new Date(due.window.start).getTime()).toBeLessThanOrEqual(stage.deps.now().getTime())
    const renewed = await renewHolder(stage, certificate, 2)
    expect(renewed.certificate.subject).toContain('OU=to')
    expect((await updateDevice(stage.ctx, device('m-1'), { group: 'to' })).change).toBeNull()
  })

  test('rejects who is not there, and who has left', async () => {
    await enrolHolder(stage, 'm-2', 3)
    await retireDevice(stage.ctx, device('m-2'))
    expect(await refusalOf(updateDevice(stage.ctx, device('m-2'), { group: 'to' }))).toBe('transition-not-allowed')
    expect(await refusalOf(updateDevice(stage.ctx, device('nobody'), { group: 'to' }))).toBe('device-not-found')
    expect((await stage.call('PATCH', '/v1/devices/m-1', { group: 'No!' })).status).toBe(400)
    expect((await stage.call('PATCH', '/v1/devices/m-1', {})).status).toBe(400)
  })

  test('check and preview know the group it is in', async () => {
    await enrolHolder(stage, 'm-3', 4, { group: 'a' })
    await updateGroup(stage.ctx, group('a'), 'p-1')
    const ask = (topic: string) =>
      checkPolicy(stage.deps, {
        ...{ fleet: 'default', device: 'm-3' },
        publish: { topic, qos: 0, retain: false, bytes: 0 },
      })
    expect(await ask('p-1/a')).toMatchObject({
      allowed: true,
      policy: { name: 'p-1', version: 1, attachedTo: 'group' },
    })
    await updateDevice(stage.ctx, device('m-3'), { group: 'b' })
    expect(await ask('p-1/a')).toMatchObject({ allowed: false, policy: { name: 'device' }, group: 'b' })
    const move = await propose(stage.deps.db, 'default', { move: { device: 'm-3', group: 'a' } })
    expect(move).toMatchObject({ device: 'm-3', moveTo: 'a', becomes: { device: { source: { name: 'p-1' } } } })
    const off = await propose(stage.deps.db, 'default', { attach: { policy: null, group: 'a' } })
    expect(off).toMatchObject({ group: 'a', levels: ['group'], becomes: { device: { source: { name: 'device' } } } })
    const on = await propose(stage.deps.db, 'default', { attach: { policy: 'p-2', group: 'a' } })
    expect(on).toMatchObject({
      levels: ['group', 'fleet', 'preset'],
      becomes: { service: { source: { name: 'p-2' } } },
    })
  })
})
