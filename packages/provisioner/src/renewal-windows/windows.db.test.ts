import { X509Certificate } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { updateFleet } from '../fleets/update.ts'
import { confirmCertificate } from '../renewal/confirm.ts'
import { enrolHolder, renewHolder } from '../testing/holder.ts'
import { openStage, peer, readJson, refusalOf, type Stage } from '../testing/stage.ts'
import { pullRenewal } from './pull.ts'

const hour = 3_600_000

let stage: Stage
beforeAll(async () => {
  stage = await openStage()
})
afterAll(() => stage?.[Symbol.asyncDispose]())

describe('works', () => {
  test('pulled forward for a device, a group, a fleet, an issuer or everybody', async () => {
    const certificate = await enrolHolder(stage, 'pump-1', 1, { group: 'pumps' })
    const ask = async () => {
      const { window } = await confirmCertificate(stage.ctx, certificate, peer)
      return new Date(window.start) < new Date(stage.deps.now().getTime() + hour)
    }
    stage.advance(1_000)
    expect(await ask()).toBe(false)
    for (const [named, matches] of [
      [{ device: 'pump-1' }, true],
      [{ device: 'pump-2' }, false],
      [{ group: 'pumps' }, true],
      [{ group: 'fans' }, false],
      [{ fleet: 'default', group: 'pumps' }, true],
      [{ fleet: 'other', group: 'pumps' }, false],
      [{}, true],
    ] as const) {
      const { id } = await pullRenewal(stage.ctx, named)
      expect(await ask(), JSON.stringify(named)).toBe(matches)
      expect((await stage.call('DELETE', `/v1/renewal-windows/${id}`)).status).toBe(204)
      expect(await ask()).toBe(false)
    }
  })

  test('a renewed certificate is not called again, and the enrolment answers agree', async () => {
    const claim = await stage.claim({ device: 'once-1' })
    const first = await stage.enrol(claim, 2)
    if (first.result === 'pending') throw new Error('pending')
    const certificate = new X509Certificate(first.enrolment.certificate)
    stage.advance(1_000)
    const { id, start } = await pullRenewal(stage.ctx, { device: 'once-1' })
    const repeated = await stage.enrol(claim, 2)
    if (repeated.result === 'pending') throw new Error('pending')
    expect(repeated.enrolment.renewAfter >= start && repeated.enrolment.renewAfter < first.enrolment.renewAfter).toBe(
      true,
    )
    stage.advance(1_000)
    const renewed = await renewHolder(stage, certificate, 2)
    const { window } = await confirmCertificate(stage.ctx, renewed.certificate, peer)
    expect(window.start).toBe(renewed.enrolment.renewAfter)
    expect(Date.parse(window.start) - stage.deps.now().getTime()).toBeGreaterThan(59 * 24 * hour)
    await stage.call('DELETE', `/v1/renewal-windows/${id}`)
  })

  test('over HTTP: pulled, listed by the page, removed, and each on record', async () => {
    const made: string[] = []
    for (const body of [{ fleet: 'default' }, { fleet: 'other', group: 'g' }, {}]) {
      const response = await stage.call('POST', '/v1/renewal-windows', body)
      expect(response.status).toBe(201)
      made.push((await readJson(response)).id)
    }
    const first = await readJson(await stage.call('GET', '/v1/renewal-windows?limit=2'))
    const rest = await readJson(await stage.call('GET', `/v1/renewal-windows?limit=2&cursor=${first.next}`))
    expect([...first.items, ...rest.items].map(({ id }) => id)).toEqual(made.toReversed())
    expect(first.items[1]).toMatchObject({ fleet: 'other', group: 'g', device: null, issuer: null })
    for (const id of made) expect((await stage.call('DELETE', `/v1/renewal-windows/${id}`)).status).toBe(204)
    expect(await stage.audited(`renewal-window-${made[0]}`)).toMatchObject([
      { action: 'renewal.pull', detail: { fleet: 'default' } },
      { action: 'renewal.remove' },
    ])
  })
})

describe('rejects', () => {
  test.each([
    [{ fleet: 'nowhere' }, 'fleet-not-found'],
    [{ issuer: 'nobody' }, 'issuer-not-found'],
    [{ start: '2026-03-02T00:00:00Z', end: '2026-03-02T00:00:00Z' }, 'request-invalid'],
    [{ end: '2026-01-01T00:00:00Z' }, 'request-invalid'],
  ])('%o: %s', async (request, code) => {
    expect(await refusalOf(pullRenewal(stage.ctx, request))).toBe(code)
  })

  test('a window that is not there', async () => {
    expect((await stage.call('DELETE', '/v1/renewal-windows/999999')).status).toBe(404)
  })
})

test('late days of a fleet: set, on record, and nothing when nothing changes', async () => {
  const set = (days: unknown) => stage.call('PATCH', '/v1/fleets/other', { lateRenewalDays: days })
  expect(await readJson(await set(30))).toMatchObject({ name: 'other', lateRenewalDays: 30 })
  expect((await set(30)).status).toBe(200)
  expect(await stage.audited('other')).toMatchObject([
    {
      actor: expect.stringMatching(/^operator:/),
      action: 'fleet.update',
      detail: { lateRenewalDays: 30, before: { lateRenewalDays: 0 } },
    },
  ])
  for (const days of [-1, 3_651, 1.5, '7']) expect((await set(days)).status).toBe(400)
  expect(await refusalOf(updateFleet(stage.ctx, 'nowhere', { lateRenewalDays: 1 }))).toBe('fleet-not-found')
})
