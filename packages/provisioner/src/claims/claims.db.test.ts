import { Policy, parseClaimToken } from '@muster/contracts'
import { claims, policies } from '@muster/db'
import { certificateFingerprint } from '@muster/pki'
import { eq } from 'drizzle-orm'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { hashSecret } from '../secret.ts'
import { openStage, refusalOf, type Stage } from '../testing/stage.ts'
import { listClaims } from './list.ts'
import { withdrawClaim } from './withdraw.ts'

let stage: Stage
beforeAll(async () => {
  stage = await openStage()
})
afterAll(() => stage?.[Symbol.asyncDispose]())

async function rowOf(token: string) {
  const [row] = await stage.deps.db
    .select()
    .from(claims)
    .where(eq(claims.id, parseClaimToken(token).id))
  return row
}

describe('creating works', () => {
  test('defaults, the secret stored as a hash, the root pinned', async () => {
    const token = await stage.claim()
    const { id, secret, rootFingerprint } = parseClaimToken(token)
    expect(rootFingerprint).toBe(certificateFingerprint(stage.deps.issuers.anchor.raw))
    const row = await rowOf(token)
    expect(row).toMatchObject({
      fleet: 'default',
      group: 'default',
      policy: null,
      profile: 'device',
      devices: null,
      uses: 1,
      used: 0,
      approval: false,
      networks: null,
      expiresAt: null,
    })
    expect(row?.secretHash).toEqual(hashSecret(secret))
    const audited = await stage.audited(id)
    expect(audited).toMatchObject([{ actor: 'operator:test', action: 'claim.create', detail: { uses: 1 } }])
    expect(JSON.stringify(audited)).not.toContain(secret)
  })

  test.each([
    [{ devices: ['a', 'b', 'a'] }, { uses: 2, devices: ['a', 'b'] }],
    [{ device: 'a' }, { uses: 1, devices: ['a'] }],
    [{ device: 'a', uses: 3 }, { uses: 3 }],
    [{ profile: 'service' as const }, { policy: null, profile: 'service' }],
    [
      { profile: 'server' as const, fleet: 'muster' },
      { policy: null, fleet: 'muster' },
    ],
    [{ profile: 'service' as const, policy: 'device' }, { policy: 'device' }],
  ])('%j', async (request, expected) => {
    expect(await rowOf(await stage.claim(request))).toMatchObject(expected)
  })

  test('with a policy of the fleet', async () => {
    const document = Policy.parse({ name: 'own', allow: [], limits: { subscriptions: 1 } })
    await stage.deps.db.insert(policies).values({ fleet: 'other', name: 'own', document, createdAt: stage.deps.now() })
    expect(await rowOf(await stage.claim({ fleet: 'other', policy: 'own' }))).toMatchObject({ policy: 'own' })
    expect(await refusalOf(stage.claim({ policy: 'own' }))).toBe('policy-not-found')
  })

  test('that expires', async () => {
    const row = await rowOf(await stage.claim({ expiresIn: '15m' }))
    expect(row?.expiresAt?.getTime()).toBe(stage.deps.now().getTime() + 900_000)
  })
})

describe('creating rejects', () => {
  test.each([
    [{ fleet: 'nowhere' }, 'fleet-not-found'],
    [{ policy: 'nothing' }, 'policy-not-found'],
    [{ profile: 'server' as const }, 'request-invalid'],
    [{ fleet: 'muster' }, 'request-invalid'],
    [{ fleet: 'muster', profile: 'service' as const }, 'request-invalid'],
    [{ expiresIn: '999999999d' }, 'request-invalid'],
  ])('%j: %s', async (request, code) => expect(await refusalOf(stage.claim(request))).toBe(code))
})

describe('withdrawing', () => {
  test('works, once, and leaves a key that is bound alone', async () => {
    const token = await stage.claim({ uses: 2 })
    const { id } = parseClaimToken(token)
    await stage.enrol(token, 1, { device: 'w-1' })
    await withdrawClaim(stage.ctx, { fleet: 'default', id })
    await withdrawClaim(stage.ctx, { fleet: 'default', id })
    expect(await refusalOf(stage.enrol(token, 2, { device: 'w-2' }))).toBe('claim-expired')
    expect((await stage.enrol(token, 1)).result).toBe('repeated')
    expect(await stage.audited(id)).toMatchObject([{ action: 'claim.create' }, { action: 'claim.withdraw' }])
  })

  test('rejects what is not there, or not in this fleet', async () => {
    const { id } = parseClaimToken(await stage.claim())
    expect(await refusalOf(withdrawClaim(stage.ctx, { fleet: 'other', id }))).toBe('claim-not-found')
    expect(await refusalOf(withdrawClaim(stage.ctx, { fleet: 'default', id: 'x' }))).toBe('claim-not-found')
  })

  test('is safe while keys come in: nobody is bound after it has returned', async () => {
    const token = await stage.claim({ uses: 40 })
    const { id } = parseClaimToken(token)
    let withdrawn = false
    const late: string[] = []
    const enrolling = Array.from({ length: 5 }, async (_, worker) => {
      for (let round = 0; round < 6; round++) {
        const began = withdrawn
        const key = 20 + worker * 6 + round
        const code = await refusalOf(stage.enrol(token, key, { device: `race-${key}` }))
        if (began && code === 'not refused') late.push(`race-${key}`)
      }
    })
    await stage.enrol(token, 60, { device: 'race-60' })
    await withdrawClaim(stage.ctx, { fleet: 'default', id })
    withdrawn = true
    await Promise.all(enrolling)
    const used = (await rowOf(token))?.used
    expect(await refusalOf(stage.enrol(token, 61, { device: 'race-late' }))).toBe('claim-expired')
    expect((await rowOf(token))?.used).toBe(used)
    expect(late).toEqual([])
  })
})

test('the list is of one fleet, newest first, pages without gaps, and has no secrets', async () => {
  const made: string[] = []
  stage.advance(1_000)
  for (let index = 0; index < 5; index++) {
    made.unshift(parseClaimToken(await stage.claim({ fleet: 'other', label: `l-${index}` })).id)
    if (index % 2) stage.advance(1)
  }
  const seen: string[] = []
  let cursor: string | undefined
  do {
    const page = await listClaims(stage.deps, { fleet: 'other', limit: 2, cursor })
    for (const item of page.items) {
      expect(Object.keys(item)).not.toContain('secretHash')
      seen.push(item.id)
    }
    cursor = page.next ?? undefined
  } while (cursor)
  expect(seen.slice(0, 5).sort()).toEqual(made.sort())
  expect(new Set(seen).size).toBe(seen.length)
  expect(await refusalOf(listClaims(stage.deps, { fleet: 'nowhere', limit: 2 }))).toBe('fleet-not-found')
})
