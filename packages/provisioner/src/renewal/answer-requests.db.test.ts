import { X509Certificate } from 'node:crypto'
import { refusals, renewalRequests } from '@muster/db'
import { createCsr, createRenewalProof } from '@muster/pki'
import { poolKey } from '@muster/pki/testing'
import { eq } from 'drizzle-orm'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { revokeDevice } from '../devices/revoke.ts'
import { deviceRow, enrolHolder, listenAs, renewHolder, serialOf, statesOf } from '../testing/holder.ts'
import { openStage, type Stage } from '../testing/stage.ts'
import { answerRenewalRequests, startRenewalAnswers } from './answer-requests.ts'
import { confirmCertificate } from './confirm.ts'

let stage: Stage
beforeAll(async () => {
  stage = await openStage()
})
afterAll(() => stage?.[Symbol.asyncDispose]())

async function proofOf(certificate: X509Certificate, key: number, newKey = key, at = stage.deps.now()) {
  const csr = createCsr(await poolKey('p256', newKey))
  return createRenewalProof({ serial: serialOf(certificate), key: await poolKey('p256', key), csr, at })
}

/** What a broker does. */
async function putDown(device: string, proof: unknown): Promise<number> {
  const { rows } = await stage.owner.$client.query<{ id: string }>(
    `insert into renewal_requests (fleet, device, node, proof, at) values ('default', $1, 'broker-1', $2, $3) returning id`,
    [device, Buffer.from(typeof proof === 'string' ? proof : JSON.stringify(proof)), stage.deps.now()],
  )
  return Number(rows[0]?.id)
}

async function answerOf(id: number) {
  const [row] = await stage.owner.select().from(renewalRequests).where(eq(renewalRequests.id, id))
  return row?.answer ?? undefined
}

async function ask(device: string, proof: unknown) {
  const id = await putDown(device, proof)
  await answerRenewalRequests(stage.deps)
  return answerOf(id)
}

describe('works', () => {
  test('a proof by the current key is answered with the next certificate', async () => {
    const first = await enrolHolder(stage, 'good-1', 1)
    const answer = await ask('good-1', await proofOf(first, 1, 2))
    expect(answer).toMatchObject({ device: { id: 'good-1', fleet: 'default' } })
    const next = new X509Certificate(String(answer?.certificate))
    expect(next.checkPrivateKey(await poolKey('p256', 2))).toBe(true)
    expect(await statesOf(stage, 'good-1')).toEqual(['active', 'pending'])
    expect((await stage.audited('good-1')).at(-1)).toMatchObject({
      actor: 'device:good-1',
      action: 'certificate.renew',
      detail: { serial: serialOf(next), via: 'mqtt' },
    })
  })

  test('the same proof, or the same key over HTTPS, is answered with the same certificate', async () => {
    const first = await enrolHolder(stage, 'again-1', 3)
    const proof = await proofOf(first, 3, 4)
    const answer = await ask('again-1', proof)
    expect((await ask('again-1', proof))?.certificate).toBe(answer?.certificate)
    expect((await renewHolder(stage, first, 4)).enrolment.certificate).toBe(answer?.certificate)
  })

  test.each([
    ['1970-01-01T00:00:00.000Z', 5],
    ['2040-01-01T00:00:00.000Z', 6],
  ])('a clock at %s is no reason to refuse, and is recorded', async (time, key) => {
    const id = `clock-${key}`
    const first = await enrolHolder(stage, id, key)
    expect(await ask(id, await proofOf(first, key, key, new Date(time)))).toHaveProperty('certificate')
    expect(Math.abs((await deviceRow(stage, id)).clockSkewSeconds ?? 0)).toBeGreaterThan(400_000_000)
  })

  test('every one of many, by several processes at once, and each once', async () => {
    const devices = await Promise.all(
      Array.from({ length: 20 }, async (_, index) => {
        const id = `many-${index}`
        return { id, certificate: await enrolHolder(stage, id, 20 + index), key: 20 + index }
      }),
    )
    const ids = await Promise.all(
      devices.map(async ({ id, certificate, key }) => putDown(id, await proofOf(certificate, key))),
    )
    await Promise.all([answerRenewalRequests(stage.deps), answerRenewalRequests(stage.deps)])
    for (const id of ids) expect(await answerOf(id)).toHaveProperty('certificate')
    for (const { id } of devices) expect(await statesOf(stage, id)).toEqual(['active', 'pending'])
  })

  test('notified, it answers at once and says so; what was put down before it listened is answered too', async () => {
    const first = await enrolHolder(stage, 'told-1', 50)
    const early = await putDown('told-1', await proofOf(first, 50))
    await using broker = await listenAs(stage, 'muster_renewals_answered')
    await using _ = startRenewalAnswers(stage.deps, stage.url)
    await vi.waitFor(() => expect(broker.heard).toContain(String(early)))
    const late = await putDown('told-1', await proofOf(first, 50))
    await stage.owner.$client.query(`select pg_notify('muster_renewals', '${late}')`)
    await vi.waitFor(() => expect(broker.heard).toContain(String(late)), { timeout: 2_000 })
  })

  test('what was answered is deleted after a while', async () => {
    const first = await enrolHolder(stage, 'old-1', 51)
    const id = await putDown('old-1', await proofOf(first, 51))
    await answerRenewalRequests(stage.deps)
    stage.advance(601_000)
    await answerRenewalRequests(stage.deps)
    expect(await answerOf(id)).toBeUndefined()
  })
})

describe('rejects', () => {
  const codeOf = (answer: Record<string, unknown> | undefined) => String(answer?.type).replace('urn:muster:error:', '')

  test('request-invalid: what is no proof', async () => {
    await enrolHolder(stage, 'form-1', 60)
    for (const proof of ['not json', '[]', '{}', '\u0000', '{"version":1}'])
      expect(codeOf(await ask('form-1', proof))).toBe('request-invalid')
    expect(await ask('form-1', '{}')).toMatchObject({ status: 400, instance: expect.stringMatching(/^mqtt-\d+$/) })
  })

  test('proof-invalid: another key, another device’s certificate, a certificate of nobody', async () => {
    const one = await enrolHolder(stage, 'proof-1', 61)
    const other = await enrolHolder(stage, 'proof-2', 62)
    expect(codeOf(await ask('proof-1', await proofOf(one, 62)))).toBe('proof-invalid')
    // In the session of one device, a good proof of another.
    expect(codeOf(await ask('proof-1', await proofOf(other, 62)))).toBe('proof-invalid')
    const unknown = { ...(await proofOf(one, 61)), serial: '01'.repeat(16) }
    expect(codeOf(await ask('proof-1', unknown))).toBe('proof-invalid')
    const changed = { ...(await proofOf(one, 61)), csr: createCsr(await poolKey('p256', 62)).toString('base64') }
    expect(codeOf(await ask('proof-1', changed))).toBe('proof-invalid')
    for (const id of ['proof-1', 'proof-2']) expect(await statesOf(stage, id)).toEqual(['active'])
    const rows = await stage.owner.select().from(refusals).where(eq(refusals.device, 'proof-1'))
    expect(rows.map(({ code, address }) => [code, address])).toEqual([['proof-invalid', 'mqtt']])
  })

  test('key-in-use, csr-invalid: undone, recorded, answered', async () => {
    const one = await enrolHolder(stage, 'key-1', 63)
    await enrolHolder(stage, 'key-2', 64)
    expect(codeOf(await ask('key-1', await proofOf(one, 63, 64)))).toBe('key-in-use')
    const csr = Buffer.from('3000', 'hex')
    const bad = createRenewalProof({ serial: serialOf(one), key: await poolKey('p256', 63), csr, at: stage.deps.now() })
    expect(codeOf(await ask('key-1', bad))).toBe('csr-invalid')
    expect(await statesOf(stage, 'key-1')).toEqual(['active'])
    const rows = await stage.owner.select().from(refusals).where(eq(refusals.device, 'key-1'))
    expect(rows.map(({ code, alert }) => [code, alert]).sort()).toEqual([
      ['csr-invalid', false],
      ['key-in-use', true],
    ])
  })

  test('certificate-superseded, device-revoked, certificate-expired', async () => {
    const one = await enrolHolder(stage, 'state-1', 65)
    const proof = await proofOf(one, 65)
    const answer = await ask('state-1', proof)
    await confirmCertificate(stage.ctx, new X509Certificate(String(answer?.certificate)), '127.0.0.1')
    expect(codeOf(await ask('state-1', proof))).toBe('certificate-superseded')
    const other = await enrolHolder(stage, 'state-2', 66)
    const held = await proofOf(other, 66)
    await revokeDevice(stage.ctx, { fleet: 'default', id: 'state-2' }, 'keyCompromise')
    expect(codeOf(await ask('state-2', held))).toBe('device-revoked')
    const late = await enrolHolder(stage, 'state-3', 67)
    stage.advance(91 * 86_400_000)
    expect(codeOf(await ask('state-3', await proofOf(late, 67)))).toBe('certificate-expired')
  })
})
