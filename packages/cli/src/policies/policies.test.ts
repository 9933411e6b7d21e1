import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { Policy } from '@muster/contracts'
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { startTestApi, type TestApi } from '../testing.ts'

let api: TestApi
beforeAll(async () => {
  api = await startTestApi()
})
beforeEach(() => {
  api.requests.length = 0
})
afterAll(() => api?.[Symbol.asyncDispose]())

const savedAt = '2026-03-01T12:00:00.000Z'
const document = Policy.parse({ name: 'meter', allow: [{ publish: ['a/${device}'] }] })
const record = { name: 'meter', version: 4, document, savedBy: 'operator:ann', savedAt }
const node = { node: 'broker-1', connectionsClosed: 2, sessionPurged: false, sessionsChanged: 9, subscriptionsCut: 3 }
const report = { change: '7', kind: 'policy', device: null, group: null, policy: 'meter', at: savedAt }

async function file(text: string): Promise<string> {
  const path = join(api.data, 'policy.yaml')
  await writeFile(path, text)
  return path
}
const yaml = "name: meter\nallow:\n  - publish: ['a/${device}'] # a comment\n"

test('a file in YAML is saved as it stands, and the receipts are waited for', async () => {
  api.answers.push({ status: 200, body: { ...record, change: '7' } })
  api.answers.push({ status: 200, body: { ...report, complete: false, nodes: [] } })
  api.answers.push({ status: 200, body: { ...report, complete: true, nodes: [{ ...node, at: savedAt }] } })
  const { code, stdout, stderr } = await api.run('policies', 'save', await file(yaml), '--expect', '3', '--wait')
  expect([code, stderr]).toEqual([0, 'policy meter is at version 4\n'])
  expect(stdout.split('\n')[1]?.split(/ {2,}/)).toEqual(['broker-1', '0 ms', '9', '3', '2'])
  expect(api.requests.map(({ target, body }) => [target, body])).toEqual([
    ['PUT /v1/policies/meter?fleet=default', { name: 'meter', allow: [{ publish: ['a/${device}'] }] }],
    ['GET /v1/changes/7?fleet=default', ''],
    ['GET /v1/changes/7?fleet=default', ''],
  ])
})

test.each([
  ['name: meter\nallow: [', 'is not YAML'],
  ['allow: []\n', 'it has no name'],
  ['- a list\n', 'it has no name'],
])('a file that is no policy never leaves: %j', async (text, why) => {
  const { code, stderr } = await api.run('policies', 'save', await file(text))
  expect([code, api.requests.length]).toEqual([2, 0])
  expect(stderr).toContain(why)
})

test('what is wrong in the document is shown with its place', async () => {
  const errors = [{ pointer: '/allow/0/publish/0', detail: 'is not a topic filter' }]
  const problem = {
    type: 'urn:muster:error:request-invalid',
    title: 't',
    status: 400,
    detail: 'd',
    instance: 'i',
    errors,
  }
  api.answers.push({ status: 400, body: problem })
  const { code, stderr } = await api.run('policies', 'save', await file(yaml))
  expect(code).toBe(1)
  expect(stderr).toContain('/allow/0/publish/0 is not a topic filter')
})

test('diff says in one line what would be lost', async () => {
  const first = [{ device: 'pump-1', filters: ['a/#', 'b'] }]
  const preview = { sessions: 312, devices: 311, subscriptions: 1_214, first, missing: ['broker-2'] }
  api.answers.push({ status: 200, body: preview })
  const { stdout, stderr } = await api.run('policies', 'diff', await file(yaml), '--verbose')
  const [line, , row] = stdout.split('\n')
  expect(line).toBe('312 live sessions changed; 1,214 subscriptions cut on 311 devices')
  expect(row).toMatch(/^pump-1 +a\/# b/)
  expect(stderr).toContain('broker-2')
  expect(api.requests[0]?.body).toMatchObject({ save: { name: 'meter' } })
  api.answers.push({ status: 200, body: { ...preview, missing: [] } })
  await api.run('policies', 'diff', '--move', 'pump-1', '--group', 'roof')
  expect(api.requests[1]?.body).toEqual({ move: { device: 'pump-1', group: 'roof' } })
  expect((await api.run('policies', 'diff')).code).toBe(2)
})

test('check shows the rule, and ends as the answer is', async () => {
  const policy = { name: 'meter', version: 4, attachedTo: 'group' }
  const decided = { rule: 'deny[0]', filter: 'a', text: { publish: ['a'] }, device: 'd', group: 'g', state: 'active' }
  const ask = (allowed: boolean) => {
    api.answers.push({ status: 200, body: { allowed, why: 'because', policy, ...decided } })
    return api.run('policies', 'check', '--device', 'd', '--publish', 'a', '--qos', '1', '--retain')
  }
  const denied = await ask(false)
  expect(denied.code).toBe(1)
  expect(denied.stdout).toContain('deny[0] {"publish":["a"]}')
  expect(denied.stdout).toContain('meter v4, from group')
  expect((await ask(true)).code).toBe(0)
  expect(api.requests[0]?.body).toEqual({ device: 'd', publish: { topic: 'a', qos: 1, retain: true } })
  expect((await api.run('policies', 'check', '--device', 'd')).code).toBe(2)
})

test('what is shown can be saved again', async () => {
  const attached = { fleet: true, groups: ['roof'], claims: 0, devices: 3 }
  api.answers.push({ status: 200, body: { ...record, attached } })
  const { stdout, stderr } = await api.run('policies', 'show', 'meter')
  expect(stderr).toContain('version 4, attached to the fleet, group roof, 3 devices')
  api.answers.push({ status: 200, body: { ...record, change: null } })
  await api.run('policies', 'save', await file(stdout))
  expect(api.requests[1]?.body).toEqual(document)
})

test('attaching goes where it is told to', async () => {
  const group = { name: 'roof', policy: 'meter', devices: 1, connected: 0, change: null }
  api.answers.push({ status: 200, body: group })
  expect((await api.run('policies', 'attach', 'meter', '--group', 'roof')).code).toBe(0)
  expect(api.requests[0]).toMatchObject({ target: 'PATCH /v1/groups/roof?fleet=default', body: { policy: 'meter' } })
  api.answers.push({ status: 200, body: { ...group, policy: null } })
  await api.run('policies', 'detach', '--group', 'roof')
  expect(api.requests[1]?.body).toEqual({ policy: null })
  expect((await api.run('policies', 'attach', 'meter', '--group', 'a', '--device', 'b')).code).toBe(2)
})
