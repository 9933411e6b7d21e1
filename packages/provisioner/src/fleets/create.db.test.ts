import { afterAll, beforeAll, expect, test } from 'vitest'
import { openStage, refusalOf, type Stage } from '../testing/stage.ts'
import { createFleet } from './create.ts'
import { listFleets } from './list.ts'

let stage: Stage
beforeAll(async () => {
  stage = await openStage()
})
afterAll(() => stage?.[Symbol.asyncDispose]())

test('works, and leaves its trace', async () => {
  await createFleet(stage.ctx, { name: 'plant-7' })
  expect(await stage.audited('plant-7')).toMatchObject([{ actor: 'operator:test', action: 'fleet.create' }])
  const { items } = await listFleets(stage.deps, { limit: 100 })
  expect(items.map(({ name }) => name)).toEqual(['default', 'muster', 'other', 'plant-7'])
})

test('rejects a name that is taken, of many at once all but one', async () => {
  expect(await refusalOf(createFleet(stage.ctx, { name: 'default' }))).toBe('conflict')
  const all = await Promise.all(Array.from({ length: 8 }, () => refusalOf(createFleet(stage.ctx, { name: 'race' }))))
  expect(all.filter((code) => code === 'not refused')).toHaveLength(1)
  expect(await stage.audited('race')).toHaveLength(1)
})
