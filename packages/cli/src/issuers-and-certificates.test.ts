import { rename, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Certificate, Fleet, Forecast, Issuer, PulledRenewal } from '@muster/contracts'
import { createTestCa } from '@muster/pki/testing'
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { problem, startTestApi, type TestApi } from './testing.ts'

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
const issuer: Issuer = {
  ...{ name: 'issuing-2', kind: 'issuing', state: 'prepared', fingerprint: 'ab', notAfter: at, createdAt: at },
  ...{ certificates: 7, confirmedBy: 0, trustedBy: [{ node: 'broker-1', at }], missing: ['broker-2'] },
}
const rows = (stdout: string) => stdout.split('\n').map((line) => line.split(/ {2,}/))

test('CAs, and who does not trust them yet', async () => {
  const root = { ...issuer, name: 'root', kind: 'root', state: 'active', confirmedBy: 3, missing: [] }
  api.answers.push({ status: 200, body: { items: [root, issuer], next: null } })
  const { stdout } = await api.run('ca', 'list')
  expect(rows(stdout)).toEqual([
    ['NAME', 'KIND', 'STATE', 'CERTIFICATES', 'TRUSTED BY', 'MISSING', 'ENDS'],
    ['root', 'root', 'active', '3 devices confirmed', 'broker-1', '-', '2026-11-21 07:57:00Z'],
    ['issuing-2', 'issuing', 'prepared', '7', 'broker-1', 'broker-2', '2026-11-21 07:57:00Z'],
    [''],
  ])
})

test.each([
  [['ca', 'prepare', 'issuing-2'], 'POST /v1/issuers', { name: 'issuing-2', kind: 'issuing' }],
  [['ca', 'prepare', 'root-2', '--root'], 'POST /v1/issuers', { name: 'root-2', kind: 'root' }],
  [['ca', 'activate', 'issuing-2'], 'POST /v1/issuers/issuing-2/activate', {}],
  [['ca', 'activate', 'i', '--renew-within', '2h'], 'POST /v1/issuers/i/activate', { renewWithin: 7_200 }],
  [['ca', 'retire', 'issuing-1'], 'POST /v1/issuers/issuing-1/retire', { force: false }],
  [['ca', 'retire', 'issuing-1', '--force'], 'POST /v1/issuers/issuing-1/retire', { force: true }],
])('%j', async (args, target, body) => {
  api.answers.push({ status: 200, body: issuer })
  expect(await api.run(...args)).toMatchObject({ code: 0, stdout: '', stderr: expect.stringContaining('broker-2') })
  expect(api.requests).toMatchObject([{ target, body }])
})

test('a refusal says what to look at', async () => {
  api.answers.push(problem('issuer-in-use', 409, '7 certificates'))
  const { code, stderr } = await api.run('ca', 'retire', 'issuing-1')
  expect(code).toBe(1)
  expect(stderr).toContain('muster certificates list --issuer')
})

test('roots that were rolled: any of the data directory will do', async () => {
  const directory = join(api.data, 'ca')
  await rename(join(directory, 'root.crt'), join(directory, 'root-2.crt'))
  const { root: retired } = await createTestCa()
  await writeFile(join(directory, 'root.crt'), retired.toString())
  await writeFile(join(directory, 'junk.crt'), 'junk')
  api.answers.push({ status: 200, body: { items: [], next: null } })
  expect((await api.run('ca', 'list')).code).toBe(0)
})

test('stragglers of an issuer, of all fleets', async () => {
  const certificate: Certificate = {
    ...{ serial: 'aa', fleet: 'north', device: 'pump-7', issuer: 'issuing-1', fingerprint: 'ff', state: 'active' },
    ...{ notBefore: at, notAfter: '2026-11-23T08:00:00.000Z', revokedAt: null, revocationReason: null },
  }
  api.answers.push({ status: 200, body: { items: [certificate], next: null } })
  const { stdout } = await api.run('certificates', 'list', '--issuer', 'issuing-1', '--expires-within', '1h')
  expect(rows(stdout)[1]).toEqual(['north/pump-7', 'issuing-1', 'active', '2026-11-23 08:00:00Z (in 2 d)', 'aa'])
  expect(api.requests[0]?.target).toContain('expiresBefore=2026-11-21T09%3A00%3A00.000Z')
})

test('the forecast of an outage', async () => {
  const forecast: Forecast = {
    expiring: [{ within: '24h', certificates: 9, servers: 1 }],
    outage: {
      hours: 48,
      devices: 1,
      first: [{ fleet: 'north', device: 'pump-7', notAfter: '2026-11-22T08:00:00.000Z' }],
    },
  }
  api.answers.push({ status: 200, body: forecast })
  const { stdout } = await api.run('certificates', 'forecast', '--outage', '2d')
  expect(api.requests[0]?.target).toBe('GET /v1/certificates/forecast?hours=48')
  expect(stdout).toMatch(/24h +9 +1/)
  expect(stdout).toContain('1 devices would be lost')
  expect(stdout).toMatch(/north\/pump-7 +2026-11-22 08:00:00Z \(in 1 d\)/)
  expect((await api.run('certificates', 'forecast', '--outage', 'long')).code).toBe(2)
})

const window: PulledRenewal = {
  ...{ id: '3', fleet: null, group: null, device: null, issuer: 'issuing-1', start: at, end: at, createdAt: at },
}

test('renewals are pulled for what is named, and for all only when that is said', async () => {
  expect((await api.run('renewals', 'pull')).code).toBe(2)
  expect(api.requests).toEqual([])
  const end = '2026-11-21T09:00:00.000Z'
  for (const [args, body] of [
    [['--device', 'pump-7'], { fleet: 'default', device: 'pump-7', end }],
    [['--issuer', 'issuing-1'], { issuer: 'issuing-1', end }],
    [['--fleet', 'north'], { fleet: 'north', end }],
    [['--all', '--within', '30m'], { end: '2026-11-21T08:30:00.000Z' }],
  ] as const) {
    api.requests.length = 0
    api.answers.push({ status: 201, body: window })
    expect((await api.run('renewals', 'pull', ...args)).code).toBe(0)
    expect(api.requests[0]?.body).toEqual(body)
  }
  api.answers.push({ status: 200, body: { items: [window], next: null } })
  expect(rows((await api.run('renewals', 'list')).stdout)[1]?.slice(0, 2)).toEqual(['3', 'issuer issuing-1'])
  api.answers.push({ status: 204 })
  expect((await api.run('renewals', 'remove', '3')).code).toBe(0)
})

test('fleets, and how late a device may come', async () => {
  const fleet: Fleet = { name: 'north', lateRenewalDays: 14, policy: null, onClone: 'suspend', createdAt: at }
  api.answers.push({ status: 200, body: { items: [fleet], next: null } })
  expect(rows((await api.run('fleets', 'list')).stdout)[1]?.slice(0, 3)).toEqual(['north', '14 days', 'suspend'])
  api.answers.push({ status: 201, body: fleet })
  expect((await api.run('fleets', 'create', 'north')).code).toBe(0)
  api.answers.push({ status: 200, body: fleet })
  expect((await api.run('fleets', 'set', 'north', '--late-renewal-days', '14')).code).toBe(0)
  expect(api.requests.at(-1)).toMatchObject({ target: 'PATCH /v1/fleets/north', body: { lateRenewalDays: 14 } })
  expect((await api.run('fleets', 'set', 'north', '--late-renewal-days', 'x')).code).toBe(2)
  api.answers.push({ status: 200, body: fleet })
  expect((await api.run('fleets', 'set', 'north', '--on-clone', 'suspend')).code).toBe(0)
  expect(api.requests.at(-1)?.body).toEqual({ onClone: 'suspend' })
  expect((await api.run('fleets', 'set', 'north', '--on-clone', 'guess')).code).toBe(2)
  expect((await api.run('fleets', 'set', 'north')).code).toBe(2)
})
