import { stat } from 'node:fs/promises'
import { join } from 'node:path'
import type { Device } from '@muster/contracts'
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { problem, runCommand, startTestApi, type TestApi, token } from './testing.ts'

let api: TestApi
beforeAll(async () => {
  api = await startTestApi()
})
afterAll(() => api[Symbol.asyncDispose]())
beforeEach(() => {
  api.requests.length = 0
  api.answers.length = 0
})

const at = '2026-11-21T07:57:00.000Z'
const device: Device = {
  ...{
    id: 'pump-7',
    fleet: 'default',
    group: 'roof',
    policy: 'device',
    policyFrom: 'preset',
    profile: 'device',
    state: 'active',
  },
  ...{ attributes: { model: 'x' }, keyFingerprint: 'ab', enrolledAt: at, stateAt: at },
  ...{ connected: true, node: 'broker-1', connectedAt: at, seenAt: at, sessionEndsAt: null, clockSkewSeconds: 4 },
}

test('a claim is printed alone, and only there', async () => {
  api.answers.push({ status: 201, body: { id: 'c1', claim: 'muster1.c1.s.f' } })
  const args = ['claims', 'create', '--device', 'a', '--device', 'b', '--expires', '1h', '--fleet', 'north']
  expect(await api.run(...args)).toEqual({ code: 0, stdout: 'muster1.c1.s.f\n', stderr: '' })
  expect(api.requests).toEqual([
    {
      target: 'POST /v1/claims',
      body: { fleet: 'north', devices: ['a', 'b'], group: 'default', expiresIn: '1h' },
      authorization: `Bearer ${token}`,
    },
  ])
})

test('a claim goes into a new file that only its owner can read', async () => {
  const file = join(api.data, 'pump-7.claim')
  const create = () => {
    api.answers.push({ status: 201, body: { id: 'c1', claim: 'muster1.c1.s.f' } })
    return api.run('claims', 'create', '--device', 'pump-7', '--out', file)
  }
  expect(await create()).toMatchObject({ code: 0, stdout: '' })
  expect((await stat(file)).mode & 0o777).toBe(0o600)
  api.requests.length = 0
  expect(await create()).toMatchObject({ code: 2, stderr: expect.stringContaining('exists already') })
  // A claim that nobody can read is not made either; and a claim that is not made leaves no file.
  expect(api.requests).toEqual([])
  api.answers.splice(0, 1, problem('request-invalid', 400, 'no'))
  const refused = join(api.data, 'pump-8.claim')
  expect((await api.run('claims', 'create', '--out', refused)).code).toBe(1)
  await expect(stat(refused)).rejects.toMatchObject({ code: 'ENOENT' })
})

test('devices come page by page, as a table or as JSON', async () => {
  const other = { ...device, id: 'pump-8', connected: false, node: null, seenAt: null }
  const pages = () => {
    api.answers.push({ status: 200, body: { items: [device], next: 'n1' } })
    api.answers.push({ status: 200, body: { items: [other], next: null } })
  }
  pages()
  const { stdout, stderr } = await api.run('devices', 'list', '--group', 'roof')
  expect(stderr).toBe('')
  expect(stdout.split('\n').map((line) => line.split(/ {2,}/).slice(0, 6))).toEqual([
    ['ID', 'GROUP', 'POLICY', 'STATE', 'CONNECTED', 'SEEN'],
    ['pump-7', 'roof', 'device', 'active', 'yes, broker-1', '3 min ago'],
    ['pump-8', 'roof', 'device', 'active', 'no', '-'],
    [''],
  ])
  expect(api.requests.map(({ target }) => target)).toEqual([
    'GET /v1/devices?fleet=default&group=roof&limit=1000',
    'GET /v1/devices?fleet=default&group=roof&limit=1000&cursor=n1',
  ])
  pages()
  expect(JSON.parse((await api.run('devices', 'list', '--json')).stdout)).toEqual([device, other])
})

test('a revocation is waited for until every node has answered', async () => {
  const nodes = [{ node: 'broker-1', connectionsClosed: 1, sessionPurged: true, at: '2026-11-21T07:57:00.012Z' }]
  const revocation = { revocation: '7', device: 'pump-7', reason: 'keyCompromise', at }
  api.answers.push({ status: 202, body: { revocation: '7', at } })
  api.answers.push({ status: 200, body: { ...revocation, complete: false, nodes: [] } })
  api.answers.push({ status: 200, body: { ...revocation, complete: true, nodes } })
  const { code, stdout } = await api.run('devices', 'revoke', 'pump-7', '--reason', 'keyCompromise', '--wait')
  expect(code).toBe(0)
  expect(stdout).toMatch(/broker-1 +12 ms +1 +yes/)
  expect(api.requests[0]).toMatchObject({
    target: 'POST /v1/devices/pump-7/revoke?fleet=default',
    body: { reason: 'keyCompromise' },
  })
})

test('the log says who changed what, and with which words', async () => {
  const entry = { seq: 9, at, actor: 'operator:ab', action: 'device.revoke', fleet: 'default', subject: 'pump-7' }
  const detail = { reason: 'keyCompromise', certificates: 1, said: '\u001b[31mred' }
  api.answers.push({ status: 200, body: { items: [{ ...entry, detail, requestId: null }], next: null } })
  const { code, stdout } = await api.run('log', '--subject', 'pump-7', '--limit', '5')
  expect(code).toBe(0)
  expect(stdout).toMatch(/operator:ab +device.revoke +pump-7 +reason=keyCompromise certificates=1 said=\\u001b\[31mred/)
  expect(api.requests.map(({ target }) => target)).toEqual(['GET /v1/audit?fleet=default&subject=pump-7&limit=5'])
})

test('an id is one part of the path, whatever is in it', async () => {
  api.answers.push(problem('device-not-found', 404, 'fleet default has no such device'))
  await api.run('devices', 'show', '../claims?x')
  expect(api.requests[0]?.target).toBe('GET /v1/devices/..%2Fclaims%3Fx?fleet=default')
})

test.each([
  ['device-not-found', 404],
  ['not-authenticated', 401],
  ['transition-not-allowed', 409],
])('%s ends with 1, its code and a hint', async (code, status) => {
  api.answers.push(problem(code, status, 'no'))
  const result = await api.run('devices', 'suspend', 'pump-7')
  expect(result).toMatchObject({ code: 1, stdout: '' })
  expect(result.stderr).toMatch(new RegExp(`^muster: ${code}: no\n {2}\\S.*\n$`))
})

test('an answer of another form is told as such', async () => {
  api.answers.push({ status: 200, body: { id: 'pump-7' } })
  expect(await api.run('devices', 'show', 'pump-7')).toMatchObject({
    code: 1,
    stderr: expect.stringMatching(/\(fleet\)\n.*same version/),
  })
})

test.each([
  [['devices', 'lst'], /Did you mean list/],
  [['claims', 'create', '--uses', '0'], /whole number/],
  [['devices', 'revoke', 'pump-7', '--reason', 'angry'], /Allowed choices/],
  [['devices', 'show'], /missing required argument/],
  [['devices', 'list', '--url', 'http://localhost'], /--url/],
  [['sim', 'fleet', '--prefix', 'Gerät'], /Lower-case letters/],
  [['sim', 'fleet', '--qos', '7'], /Allowed choices are 0, 1, 2/],
])('%j is a mistake of usage', async (args, message) => {
  const { code, stderr } = await api.run(...args)
  expect(code).toBe(2)
  expect(stderr).toMatch(message)
  expect(api.requests).toEqual([])
})

test('the version is that of the package, and of Node', async () => {
  const { code, stdout } = await api.run('--version')
  expect([code, stdout]).toEqual([0, expect.stringMatching(/^muster \d+\.\d+\.\d+, Node \d+/)])
})

test('help is no mistake', async () => {
  const { code, stdout } = await api.run('--help')
  expect(code).toBe(0)
  expect(stdout).toContain('Usage: muster')
})

test.each([
  [
    'nothing listens',
    () => ({ MUSTER_API_URL: 'https://localhost:1' }),
    /cannot reach https:\/\/localhost:1 .*\n.*muster up/,
  ],
  ['there is no data directory', () => ({ MUSTER_DATA: '/nowhere' }), /no root certificate in \/nowhere/],
])('%s: ends with 3', async (_, env, message) => {
  const { code, stderr } = await runCommand(
    { MUSTER_DATA: api.data, MUSTER_API_URL: api.url, ...env() },
    'devices',
    'list',
  )
  expect(code).toBe(3)
  expect(stderr).toMatch(message)
})

test('a server of another root is not talked to', async () => {
  await using other = await startTestApi()
  const { code, stderr } = await runCommand({ MUSTER_DATA: api.data, MUSTER_API_URL: other.url }, 'devices', 'list')
  expect(code).toBe(3)
  expect(stderr).toMatch(/does not come from/)
  expect(other.requests).toEqual([])
})

test('the token is sent and never shown', async () => {
  api.answers.push(problem('not-authenticated', 401, 'the token is not known'))
  const env = { MUSTER_DATA: api.data, MUSTER_API_URL: api.url, MUSTER_TOKEN: 's3cret-token' }
  const { stdout, stderr } = await runCommand(env, 'devices', 'list')
  expect(api.requests[0]?.authorization).toBe('Bearer s3cret-token')
  expect(stdout + stderr).not.toContain('s3cret-token')
})
