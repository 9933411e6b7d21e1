import { errorCodes, problemType } from '@muster/contracts'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { csrOf, openStage, readJson, type Stage } from './testing/stage.ts'

let stage: Stage
beforeAll(async () => {
  stage = await openStage()
})
afterAll(() => stage?.[Symbol.asyncDispose]())

const isForOperators = (security: object[] = []) => security.some((way) => 'operator' in way)

interface Operation {
  operationId: string
  security?: object[]
  responses: Record<string, { content?: Record<string, unknown> }>
}
async function loadApi() {
  const document = await readJson(await stage.call('GET', '/openapi.json'))
  const operations = Object.entries(document.paths as Record<string, Record<string, Operation>>).flatMap(
    ([path, methods]) => Object.entries(methods).map(([method, operation]) => ({ path, method, ...operation })),
  )
  return { document, operations }
}

async function codeOf(response: Response): Promise<string> {
  expect(response.headers.get('content-type')).toBe('application/problem+json')
  const problem = await readJson(response)
  expect(problem).toMatchObject({ status: response.status, instance: response.headers.get('x-request-id') })
  const code = errorCodes.find((known) => problem.type === problemType(known))
  return code ?? `not a code: ${problem.type}`
}

describe('OpenAPI', () => {
  test('is 3.1, with named schemas, unique operations and problems everywhere', async () => {
    const { document, operations } = await loadApi()
    expect(document.openapi).toBe('3.1.0')
    expect(Object.keys(document.components.schemas)).toEqual(
      expect.arrayContaining(['Device', 'Enrolment', 'CreateClaimRequest', 'Problem', 'Revocation', 'Policy', 'Claim']),
    )
    expect(document.components.securitySchemes.operator).toMatchObject({ type: 'http', scheme: 'bearer' })
    expect(new Set(operations.map(({ operationId }) => operationId)).size).toBe(operations.length)
    for (const { responses } of operations)
      expect(Object.keys(responses.default?.content ?? {})).toEqual(['application/problem+json'])
  })

  test('what it says needs an operator refuses everybody else, and nothing else is open', async () => {
    const { operations } = await loadApi()
    const open = operations.filter(({ security }) => !isForOperators(security)).map(({ path }) => path)
    expect(open.sort()).toEqual([
      '/.well-known/est/cacerts',
      '/.well-known/est/csrattrs',
      '/.well-known/est/simpleenroll',
      '/.well-known/est/simplereenroll',
      '/readyz',
      '/v1/bootstrap',
      '/v1/enrol',
      '/v1/renew',
      '/v1/renewal',
    ])
    for (const { path, method, security } of operations) {
      if (!isForOperators(security)) continue
      const url = path.replace(/\{\w+\}/g, 'x')
      for (const authorization of ['', 'Bearer x', `Bearer ${stage.token}x`]) {
        const response = await stage.call(method.toUpperCase(), url, undefined, { authorization })
        expect(await codeOf(response), `${method} ${path}`).toBe('not-authenticated')
        expect(response.headers.get('www-authenticate')).toBe('Bearer')
      }
    }
    for (const path of ['/v1/enrol/', '/v1//enrol', '/v1/enrol/x', '/v1/unknown'])
      expect(await codeOf(await stage.call('POST', path, {}, { authorization: '' }))).toBe('not-authenticated')
  })
})

describe('requests that do not fit', () => {
  test.each([
    ['GET', '/nowhere', undefined, 'not-found'],
    ['GET', '/v1/nowhere', undefined, 'not-found'],
    ['GET', '/v1/enrol', undefined, 'method-not-allowed'],
    ['PUT', '/v1/devices/x', undefined, 'method-not-allowed'],
    ['POST', '/v1/claims', '{"uses":', 'request-invalid'],
    ['POST', '/v1/claims', '[]', 'request-invalid'],
    ['POST', '/v1/claims', { uses: 0 }, 'request-invalid'],
    ['POST', '/v1/claims', { surprise: 1 }, 'request-invalid'],
    ['POST', '/v1/claims', { device: 'a', devices: ['b'] }, 'request-invalid'],
    ['POST', '/v1/claims', { device: '../x' }, 'request-invalid'],
    ['POST', '/v1/claims', { networks: ['10.0.0.0/33'] }, 'request-invalid'],
    ['POST', '/v1/claims', { label: 'x'.repeat(70_000) }, 'request-too-large'],
    ['GET', '/v1/devices?limit=0', undefined, 'request-invalid'],
    ['GET', '/v1/devices?limit=1001', undefined, 'request-invalid'],
    ['GET', '/v1/devices?cursor=%00', undefined, 'request-invalid'],
    ['GET', '/v1/devices?fleet=UPPER', undefined, 'request-invalid'],
    ['GET', '/v1/devices?fleet=nowhere', undefined, 'fleet-not-found'],
    ['GET', '/v1/devices?state=dead', undefined, 'request-invalid'],
    ['GET', `/v1/devices/${"x'--"}`, undefined, 'request-invalid'],
    ['GET', '/v1/devices/nobody', undefined, 'device-not-found'],
    ['GET', '/v1/policies/nothing', undefined, 'policy-not-found'],
    ['GET', '/v1/revocations/1', undefined, 'revocation-not-found'],
    ['DELETE', '/v1/claims/x', undefined, 'claim-not-found'],
    ['POST', '/v1/fleets', { name: 'default' }, 'conflict'],
    ['POST', '/v1/enrol', { claim: 'x' }, 'request-invalid'],
    ['POST', '/v1/enrol', { claim: 'x', csr: 'y' }, 'claim-invalid'],
  ])('%s %s: %s', async (method, path, body, code) => {
    expect(await codeOf(await stage.call(method, path, body))).toBe(code)
  })

  test('405 names what is possible', async () => {
    expect((await stage.call('PUT', '/v1/claims')).headers.get('allow')).toBe('POST, GET')
  })

  test('a body that is not JSON, and one without a type', async () => {
    for (const path of ['/v1/enrol', '/v1/claims', '/v1/fleets']) {
      const response = await stage.call('POST', path, 'name=x', { 'content-type': 'application/x-www-form-urlencoded' })
      expect(await codeOf(response)).toBe('media-type-unsupported')
    }
    expect(await codeOf(await stage.call('POST', '/v1/fleets'))).toBe('request-invalid')
  })

  test('what is wrong is named by pointer', async () => {
    const response = await stage.call('POST', '/v1/claims', { devices: ['ok', 'Not Ok'], uses: 'many' })
    const { errors } = await readJson(response)
    expect(errors.map(({ pointer }: { pointer: string }) => pointer)).toEqual(['/devices/1', '/uses'])
  })
})

describe('enrolment', () => {
  test('first boot, from nothing but the claim', async () => {
    const { claim } = await readJson(await stage.call('POST', '/v1/claims', { device: 'boot-1' }))
    const bootstrap = await readJson(await stage.call('GET', '/v1/bootstrap', undefined, { authorization: '' }))
    expect(claim.endsWith(bootstrap.rootFingerprint)).toBe(true)
    const body = { claim, csr: await csrOf(1) }
    const response = await stage.call('POST', '/v1/enrol', body, { authorization: '' })
    expect(response.status).toBe(201)
    expect(response.headers.get('cache-control')).toBe('no-store')
    expect((await readJson(response)).device.id).toBe('boot-1')
    expect(stage.logged.join()).not.toContain(claim.split('.')[2])
  })

  test('pending tells when to ask again', async () => {
    const claim = await stage.claim({ device: 'boot-2', approval: true })
    const response = await stage.call('POST', '/v1/enrol', { claim, csr: await csrOf(2) })
    expect(response.status).toBe(202)
    expect(await readJson(response)).toEqual({
      status: 'pending',
      retryAfter: Number(response.headers.get('retry-after')),
    })
  })

  test('a claim that is refused over and over is slowed down, others are not', async () => {
    const claim = await stage.claim({ device: 'flood-1' })
    const refused = { claim, csr: 'MAA=' }
    for (let round = 0; round < 100; round++)
      expect(await codeOf(await stage.call('POST', '/v1/enrol', refused))).toBe('csr-invalid')
    const slowed = await stage.call('POST', '/v1/enrol', refused)
    expect(await codeOf(slowed)).toBe('rate-limited')
    expect(Number(slowed.headers.get('retry-after'))).toBeGreaterThan(0)
    const other = { claim: await stage.claim({ device: 'flood-2' }), csr: await csrOf(3) }
    expect((await stage.call('POST', '/v1/enrol', other)).status).toBe(201)
  })
})

test('a device from claim to revocation, as the operator sees it', async () => {
  const claim = await stage.claim({ device: 'life-1' })
  await stage.enrol(claim, 4)
  const post = async (action: string, body?: unknown) => {
    const response = await stage.call('POST', `/v1/devices/life-1/${action}`, body)
    return { status: response.status, json: await readJson(response) }
  }
  expect(await post('suspend')).toMatchObject({ status: 200, json: { state: 'suspended' } })
  expect(await post('resume')).toMatchObject({ status: 200, json: { state: 'active' } })
  expect(await post('approve')).toMatchObject({ status: 409, json: { type: problemType('transition-not-allowed') } })
  expect(await post('revoke', { reason: 'because' })).toMatchObject({ status: 400 })
  const first = await post('revoke', { reason: 'keyCompromise' })
  expect(first.status).toBe(202)
  expect(await post('revoke')).toEqual(first)
  const revocation = await readJson(await stage.call('GET', `/v1/revocations/${first.json.revocation}`))
  expect(revocation).toMatchObject({ device: 'life-1', reason: 'keyCompromise', complete: true, nodes: [] })
  const certificates = await readJson(await stage.call('GET', '/v1/devices/life-1/certificates'))
  expect(certificates.items).toMatchObject([{ state: 'revoked', revocationReason: 'keyCompromise' }])
  const audit = await readJson(await stage.call('GET', '/v1/audit?subject=life-1&limit=2'))
  expect(audit.items.map(({ action }: { action: string }) => action)).toEqual(['device.revoke', 'device.resume'])
  expect(audit.items[0].requestId).toMatch(/^[0-9a-f-]{36}$/)
  expect(audit.next).not.toBeNull()
})

test('lists of policies and fleets', async () => {
  const policies = await readJson(await stage.call('GET', '/v1/policies'))
  expect(policies.items.map(({ name }: { name: string }) => name)).toEqual(['device', 'service'])
  expect((await readJson(await stage.call('GET', '/v1/fleets?limit=1'))).items).toHaveLength(1)
})

describe('the page of the API', () => {
  test('comes from here entirely', async () => {
    const page = await stage.call('GET', '/docs')
    const html = await page.text()
    const policy = page.headers.get('content-security-policy') ?? ''
    expect(policy).toContain("default-src 'none'")
    expect(policy).not.toContain('unsafe-eval')
    expect(html).not.toMatch(/https?:/)
    for (const [, url = ''] of html.matchAll(/(?:src|href)="([^"]+)"/g)) {
      const asset = await stage.call('GET', url)
      expect(asset.status, url).toBe(200)
      expect((await asset.arrayBuffer()).byteLength).toBeGreaterThan(50)
    }
  })
})

test('a line a request: who, what, how it ended; nothing of its content', async () => {
  stage.logged.length = 0
  await stage.call('GET', '/v1/devices/nobody?fleet=default')
  const lines = stage.logged.map((line) => JSON.parse(line))
  expect(lines).toMatchObject([
    { method: 'GET', path: '/v1/devices/nobody', status: 404, code: 'device-not-found', address: '192.0.2.7' },
  ])
  expect(stage.logged.join()).not.toContain(stage.token)
})
