import { readFile } from 'node:fs/promises'
import { Ajv2020 } from 'ajv/dist/2020.js'
import { expect, test } from 'vitest'
import { parse } from 'yaml'
import { countDevices } from '../plan/fleet-layout.ts'
import { planLength } from '../plan/plan-length.ts'
import { planTurns } from '../plan/plan-turns.ts'
import { createJsonSchema } from './json-schema.ts'
import { listLibrary, readFromLibrary } from './library.ts'
import { parseScenario, readScenario } from './parse-scenario.ts'

const published: object = JSON.parse(await readFile(new URL('../../scenario.schema.json', import.meta.url), 'utf8'))
const names = await listLibrary()
const text = async (name: string) => (await readFromLibrary(name)) ?? ''

test('the published schema is what the code says: `npm run schema`', () => {
  expect(published).toEqual(createJsonSchema())
})

test('there are ten', () => {
  expect(names).toHaveLength(10)
})

// Not by our own validator alone.
const validate = new Ajv2020({ allErrors: true, strict: true, strictTypes: false, validateFormats: false }).compile(
  published,
)

test.each(names)('%s: the published schema and the code both find it valid', async (name) => {
  const yaml = await text(name)
  expect([validate(parse(yaml)), validate.errors]).toEqual([true, null])
  const { scenario } = parseScenario(yaml)
  expect(scenario.name).toBe(name)
  expect(scenario.description.length).toBeGreaterThan(100)
  expect(yaml).toMatch(/^ {2}errors: \{ unexpected: /m)
  expect(yaml).toMatch(/^# yaml-language-server: \$schema=..\/scenario.schema.json\n/)
  expect(validate(parse(parseScenario(yaml, { small: true }).yaml))).toBe(true)
})

test.each(names)('%s: small, it is a matter of seconds, and every phase still has devices', async (name) => {
  const { scenario } = parseScenario(await text(name), { small: true })
  expect(countDevices(scenario)).toBeGreaterThanOrEqual(20)
  expect(countDevices(scenario)).toBeLessThanOrEqual(60)
  expect(planLength(scenario)).toBeLessThanOrEqual(5_000)
  for (const [index, phase] of scenario.phases.entries())
    if (phase.do !== 'steady') expect(planTurns(scenario, index).length).toBeGreaterThan(0)
})

test.each([
  ['a field that is not known', { colour: 'red' }],
  ['a time without a unit', { phases: [{ do: 'boot', over: 10 }] }],
  ['a phase that is not known', { phases: [{ do: 'dance', over: '10s' }] }],
  ['no phases', { phases: [] }],
  ['no devices of a class', { devices: { a: { count: 0 } } }],
  ['a share of more than all', { phases: [{ do: 'boot', over: '10s', share: '120%' }] }],
])('the published schema refuses what the code refuses: %s', (_, change) => {
  const scenario = { name: 'a', title: 'A', devices: { a: { count: 1 } }, phases: [{ do: 'boot', over: '10s' }] }
  expect(validate(scenario)).toBe(true)
  expect(validate({ ...scenario, ...change })).toBe(false)
  expect(readScenario(JSON.stringify({ ...scenario, ...change }))).toHaveProperty('problems')
})

test('black-friday is ten thousand devices for five minutes, a twentieth revoked, the CA rotated', async () => {
  const { scenario } = parseScenario(await text('black-friday'))
  expect(countDevices(scenario)).toBe(10_000)
  const [boot, ...rest] = scenario.phases
  expect(boot).toMatchObject({ do: 'boot', share: 1 })
  expect(planLength({ ...scenario, phases: rest })).toBe(300_000)
  expect(Object.values(scenario.devices).map(({ telemetry }) => telemetry.map(({ every }) => every))).toEqual([
    [10_000],
    [10_000],
  ])
  const turns = (kind: string) =>
    planTurns(
      scenario,
      scenario.phases.findIndex((phase) => phase.do === kind),
    ).length
  expect([turns('revoke'), turns('rotate')]).toEqual([500, 9_500])
})
