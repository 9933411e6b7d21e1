import { X509Certificate } from 'node:crypto'
import { createCsr, encodeEstBody } from '@muster/pki'
import { poolKey } from '@muster/pki/testing'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { approveDevice } from '../devices/approve.ts'
import { revokeDevice } from '../devices/revoke.ts'
import { enrolHolder, statesOf } from '../testing/holder.ts'
import { openStage, readJson, type Stage } from '../testing/stage.ts'

let stage: Stage
beforeAll(async () => {
  stage = await openStage()
})
afterAll(() => stage?.[Symbol.asyncDispose]())

const requestOf = async (key: number, subject?: string) => encodeEstBody(createCsr(await poolKey('p256', key), subject))
const type = { 'content-type': 'application/pkcs10' }
const basic = (device: string, claim: string) => ({
  authorization: `Basic ${Buffer.from(`${device}:${claim}`).toString('base64')}`,
})
const enrol = (device: string, claim: string, body: string, headers: Record<string, string> = type) =>
  stage.callWith(undefined, 'POST', '/.well-known/est/simpleenroll', body, { ...headers, ...basic(device, claim) })
const codeOf = async (response: Response) => {
  expect(response.headers.get('content-type')).toBe('application/problem+json')
  return String((await readJson(response)).type).replace('urn:muster:error:', '')
}

describe('works', () => {
  test('to the letter', async () => {
    for (const [path, contentType] of [
      ['cacerts', 'application/pkcs7-mime; smime-type=certs-only'],
      ['csrattrs', 'application/csrattrs'],
    ]) {
      const response = await stage.callWith(undefined, 'GET', `/.well-known/est/${path}`)
      expect(response.status).toBe(200)
      expect(response.headers.get('content-type')).toBe(contentType)
      expect(response.headers.get('content-transfer-encoding')).toBe('base64')
      expect(await response.text()).toMatch(/^([A-Za-z0-9+/=]{1,64}\r\n)+$/)
    }
  })

  test('the same claim and key have the same answer, here and at /v1/enrol', async () => {
    const claim = await stage.claim({ device: 'est-1' })
    const body = await requestOf(1)
    const first = await enrol('est-1', claim, body)
    expect([first.status, first.headers.get('content-type')]).toEqual([
      200,
      'application/pkcs7-mime; smime-type=certs-only',
    ])
    const text = await first.text()
    expect(await (await enrol('', claim, body)).text()).toBe(text)
    const outcome = await stage.enrol(claim, 1)
    if (outcome.result === 'pending') throw new Error('pending')
    const leaf = new X509Certificate(outcome.enrolment.certificate)
    expect(Buffer.from(text, 'base64').includes(leaf.raw)).toBe(true)
    expect(outcome.result).toBe('repeated')
  })

  test.each([
    ['one line', (body: string) => body.replaceAll('\r\n', '')],
    ['lines that end with LF', (body: string) => body.replaceAll('\r\n', '\n')],
  ])('a body of %s', async (name, form) => {
    const id = `form-${name.length}`
    const response = await enrol(id, await stage.claim({ device: id }), form(await requestOf(10 + name.length)))
    expect(response.status).toBe(200)
  })

  test('a content type with parameters, in whatever case', async () => {
    const claim = await stage.claim({ device: 'type-1' })
    const headers = { 'content-type': 'Application/PKCS10; charset=us-ascii', 'content-transfer-encoding': 'base64' }
    expect((await enrol('type-1', claim, await requestOf(2), headers)).status).toBe(200)
  })

  test('202 and Retry-After while an operator has to approve', async () => {
    const claim = await stage.claim({ device: 'wait-1', approval: true })
    const body = await requestOf(3)
    const response = await enrol('wait-1', claim, body)
    expect([response.status, await response.text()]).toEqual([202, ''])
    expect(Number(response.headers.get('retry-after'))).toBeGreaterThan(0)
    await approveDevice(stage.ctx, { fleet: 'default', id: 'wait-1' })
    expect((await enrol('wait-1', claim, body)).status).toBe(200)
  })
})

describe('rejects', () => {
  test('401 with a challenge: no password, one that is no claim, one that is wrong', async () => {
    const claim = await stage.claim({ device: 'auth-1' })
    const body = await requestOf(4)
    const path = '/.well-known/est/simpleenroll'
    for (const headers of [
      {},
      { authorization: `Bearer ${stage.token}` },
      basic('auth-1', 'x'),
      basic('auth-1', claim.replace(/\.[^.]+\./, `.${'0'.repeat(16)}.`)),
    ]) {
      const response = await stage.callWith(undefined, 'POST', path, body, { ...type, ...headers })
      expect([response.status, await codeOf(response)]).toEqual([401, 'not-authenticated'])
      expect(response.headers.get('www-authenticate')).toBe('Basic realm="muster"')
    }
  })

  test.each([
    ['another content type', { 'content-type': 'application/json' }, undefined, 'media-type-unsupported'],
    ['no request', type, 'MAA=', 'csr-invalid'],
    ['no base64', type, '-----BEGIN CERTIFICATE REQUEST-----', 'request-invalid'],
    ['nothing', type, '', 'request-invalid'],
    ['too much', type, 'A'.repeat(40_000), 'request-too-large'],
    ['far too much', type, 'A'.repeat(70_000), 'request-too-large'],
  ])('%s: %#', async (_, headers, body, code) => {
    const claim = await stage.claim({ device: 'body-1' })
    const response = await enrol('body-1', claim, body ?? (await requestOf(5)), headers)
    expect(await codeOf(response)).toBe(code)
  })

  test('the rules of enrolment: another name, another key', async () => {
    const claim = await stage.claim({ device: 'rule-1' })
    expect(await codeOf(await enrol('rule-2', claim, await requestOf(6)))).toBe('device-name-mismatch')
    expect((await enrol('rule-1', claim, await requestOf(6))).status).toBe(200)
    const other = await enrol('rule-1', claim, await requestOf(7))
    expect([other.status, await codeOf(other)]).toEqual([403, 'claim-key-mismatch'])
  })

  test('refusals count together with those of /v1/enrol', async () => {
    const claim = await stage.claim({ device: 'flood-1' })
    for (let round = 0; round < 50; round++) {
      await enrol('flood-1', claim, 'MAA=')
      await stage.call('POST', '/v1/enrol', { claim, csr: 'MAA=' })
    }
    expect(await codeOf(await enrol('flood-1', claim, await requestOf(8)))).toBe('rate-limited')
  })
})

describe('re-enrolment', () => {
  const renew = async (certificate: X509Certificate | undefined, key: number, subject?: string) =>
    stage.callWith(certificate, 'POST', '/.well-known/est/simplereenroll', await requestOf(key, subject), type)

  test('without a certificate, with one of a revoked device, with another subject', async () => {
    const nobody = await renew(undefined, 30)
    expect(nobody.headers.get('www-authenticate')).toBe('Basic realm="muster"')
    expect(await codeOf(nobody)).toBe('certificate-missing')
    const certificate = await enrolHolder(stage, 'renew-1', 30)
    for (const subject of ['renew-2', undefined]) {
      const response = await renew(certificate, 30, subject)
      expect([response.status, await codeOf(response)]).toEqual([400, 'csr-subject-mismatch'])
    }
    await revokeDevice(stage.ctx, { fleet: 'default', id: 'renew-1' }, 'keyCompromise')
    expect(await codeOf(await renew(certificate, 30))).toBe('device-revoked')
    expect(await statesOf(stage, 'renew-1')).toEqual(['revoked'])
  })

  test('an operator’s token or a claim is no certificate', async () => {
    const claim = await stage.claim({ device: 'renew-3' })
    for (const headers of [basic('renew-3', claim), { authorization: `Bearer ${stage.token}` }]) {
      const body = await requestOf(31)
      const path = '/.well-known/est/simplereenroll'
      const response = await stage.callWith(undefined, 'POST', path, body, { ...type, ...headers })
      expect(await codeOf(response)).toBe('certificate-missing')
    }
  })
})
