import { X509Certificate } from 'node:crypto'
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { certificates, devices, issuers, renewalWindows } from '@muster/db'
import { certificateFingerprint } from '@muster/pki'
import { and, eq, sql } from 'drizzle-orm'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import type { EnrolResult } from '../enrolment/enrol.ts'
import { type IssuerStage, openIssuerStage } from '../testing/issuer-stage.ts'
import { readJson, refusalOf } from '../testing/stage.ts'
import { activateIssuer } from './activate.ts'
import { findIssuer } from './list.ts'
import { prepareIssuer } from './prepare.ts'
import { retireIssuer } from './retire.ts'
import { watchIssuers } from './watch.ts'

let it: IssuerStage
beforeEach(async () => {
  it = await openIssuerStage()
})
afterEach(() => it?.[Symbol.asyncDispose]())

const prepare = (name: string, kind: 'issuing' | 'root' = 'issuing') => prepareIssuer(it.ctx, { name, kind })
const activate = (name: string) => activateIssuer(it.ctx, name, {})
const retire = (name: string, force = false) => retireIssuer(it.ctx, name, { force })
const rotate = async (name: string) => {
  await prepare(name)
  await activate(name)
}
const issued = (outcome: EnrolResult) => {
  if (outcome.result === 'pending') throw new Error('pending')
  return outcome.enrolment
}
const issuerOf = async (device: string) => {
  const live = and(eq(certificates.device, device), eq(certificates.state, 'active'))
  const [row] = await it.ctx.db.select().from(certificates).where(live)
  return row?.issuer
}

describe('preparing', () => {
  test('makes a CA of the same root that nothing comes from yet, once', async () => {
    const made = await prepare('issuing-2')
    expect(made).toMatchObject({ kind: 'issuing', state: 'prepared', certificates: 0, trustedBy: [], missing: [] })
    expect(await prepare('issuing-2')).toEqual(made)
    await it.stage.enrolled('p-1')
    expect(await issuerOf('p-1')).toBe('issuing-1')
    expect(await it.stage.audited('issuing-2')).toMatchObject([{ actor: 'operator:test', action: 'issuer.prepare' }])
  })

  test('takes the files that are there: the registry may be older than the directory', async () => {
    const { fingerprint } = await prepare('issuing-2')
    await it.stage.owner.delete(issuers).where(eq(issuers.name, 'issuing-2'))
    expect((await prepare('issuing-2')).fingerprint).toBe(fingerprint)
  })

  test('of many at once: one', async () => {
    const all = await Promise.all(Array.from({ length: 6 }, () => prepare('issuing-2')))
    expect(new Set(all.map(({ fingerprint }) => fingerprint)).size).toBe(1)
    expect(await it.stage.audited('issuing-2')).toHaveLength(1)
  })

  test('rejects a name that is taken, and one where the key of the root is elsewhere', async () => {
    expect(await refusalOf(prepare('issuing-1'))).toBe('conflict')
    expect(await refusalOf(prepare('root'))).toBe('conflict')
    await rm(join(it.directory, 'root.key'))
    expect(await refusalOf(prepare('issuing-2'))).toBe('conflict')
    expect(await it.ctx.db.$count(issuers)).toBe(2)
  })
})

describe('activating', () => {
  test('rejects until every live broker has said that it trusts the issuer', async () => {
    await it.broker('broker-1')
    await it.broker('broker-2')
    await prepare('issuing-2')
    await it.trust('issuing-2', 'broker-2')
    expect(await findIssuer(it.ctx, 'issuing-2')).toMatchObject({ missing: ['broker-1'] })
    expect(await refusalOf(activate('issuing-2'))).toBe('issuer-not-trusted')
    await it.trust('issuing-2', 'broker-1')
    expect(await activate('issuing-2')).toMatchObject({ state: 'active', missing: [] })
  })

  test('does not wait for a broker whose lease has run out', async () => {
    await it.broker('broker-1')
    await prepare('issuing-2')
    it.stage.advance(3_600_001)
    expect(await activate('issuing-2')).toMatchObject({ state: 'active' })
  })

  test('from then on certificates come from it, also in a process that was not told; the old ones are to be renewed', async () => {
    const claim = await it.stage.claim({ device: 'a-1' })
    const before = issued(await it.stage.enrol(claim, 1))
    const other = await it.openIssuers()
    await rotate('issuing-2')
    await it.stage.enrolled('a-2', 2)
    expect(await issuerOf('a-2')).toBe('issuing-2')

    expect(other.active.name).toBe('issuing-1')
    it.stage.ctx.issuers = it.stage.deps.issuers = other
    const after = issued(await it.stage.enrol(await it.stage.claim({ device: 'a-3' }), 3))
    expect(await issuerOf('a-3')).toBe('issuing-2')
    const leaf = new X509Certificate(after.certificate)
    expect(leaf.checkIssued(new X509Certificate(after.chain))).toBe(true)
    // What the claim led to before still comes with the chain of its own issuer.
    const again = issued(await it.stage.enrol(claim, 1))
    expect(again).toMatchObject({ certificate: before.certificate, chain: before.chain })

    expect(await findIssuer(it.ctx, 'issuing-1')).toMatchObject({ state: 'retiring', certificates: 1 })
    expect(await it.ctx.db.select().from(renewalWindows)).toMatchObject([{ issuer: 'issuing-1', fleet: null }])
    expect(await it.stage.audited('issuing-2')).toMatchObject([
      { action: 'issuer.prepare' },
      { action: 'issuer.activate', detail: { before: 'issuing-1', from: 'prepared' } },
    ])
  })

  test('another process hears of it', async () => {
    const other = await it.openIssuers()
    const onError = (error: unknown) => {
      throw error
    }
    await using _ = watchIssuers({ issuers: other, url: it.url, onError })
    const heard = Promise.withResolvers<void>()
    other.onChange(() => other.active.name === 'issuing-2' && heard.resolve())
    await rotate('issuing-2')
    await heard.promise
    expect(other.find('issuing-1')?.name).toBe('issuing-1')
  })

  test('goes back to the one before, and not to a retired one', async () => {
    await rotate('issuing-2')
    expect(await activate('issuing-1')).toMatchObject({ state: 'active' })
    await retire('issuing-2')
    expect(await refusalOf(activate('issuing-2'))).toBe('conflict')
    expect(await refusalOf(activate('nobody'))).toBe('issuer-not-found')
  })

  test('of two at once one is active at the end', async () => {
    await prepare('issuing-2')
    await prepare('issuing-3')
    await Promise.all([activate('issuing-2'), activate('issuing-3')])
    const active = await it.ctx.db
      .select()
      .from(issuers)
      .where(and(eq(issuers.kind, 'issuing'), eq(issuers.state, 'active')))
    expect(active).toHaveLength(1)
  })

  test('rejects one whose key is not here', async () => {
    await prepare('issuing-2')
    await rm(join(it.directory, 'issuing-2.key'))
    expect(await refusalOf(activate('issuing-2'))).toBe('conflict')
  })
})

describe('retiring', () => {
  test('rejects while certificates depend on it; what has expired does not', async () => {
    await it.stage.enrolled('r-1', 1)
    await rotate('issuing-2')
    expect(await refusalOf(retire('issuing-2'))).toBe('conflict')
    expect(await refusalOf(retire('issuing-1'))).toBe('issuer-in-use')
    expect(await refusalOf(retire('nobody'))).toBe('issuer-not-found')
    it.stage.advance(91 * 86_400_000)
    expect(await retire('issuing-1')).toMatchObject({ state: 'retired', certificates: 0 })
    expect(await it.stage.audited('issuing-1')).toMatchObject([
      { action: 'issuer.create' },
      { action: 'issuer.activate', detail: { to: 'retiring' } },
      { action: 'issuer.retire', detail: { force: false, certificates: 0 } },
    ])
  })

  test('by force its certificates are revoked, and its devices enrol again with what they have', async () => {
    const claim = await it.stage.claim({ device: 'f-1' })
    await it.stage.enrol(claim, 1)
    await rotate('issuing-2')
    expect(await retire('issuing-1', true)).toMatchObject({ state: 'retired', certificates: 0 })
    const [row] = await it.ctx.db.select().from(certificates).where(eq(certificates.device, 'f-1'))
    expect(row).toMatchObject({ state: 'revoked', revocationReason: 'cessationOfOperation' })
    await it.stage.enrol(claim, 1)
    expect(await issuerOf('f-1')).toBe('issuing-2')
    // Its CRLs go on.
    expect(it.ctx.issuers.find('issuing-1')?.name).toBe('issuing-1')
  })

  test('waits for a certificate that is being issued, which then counts', async () => {
    await it.stage.enrolled('w-1', 1)
    const slow = Promise.withResolvers<void>()
    const locked = Promise.withResolvers<void>()
    const issuing = it.ctx.db.transaction(async (tx) => {
      const issuer = await it.ctx.issuers.lockActive(tx)
      locked.resolve()
      await slow.promise
      await tx.update(certificates).set({ state: 'active' }).where(eq(certificates.issuer, issuer.name))
    })
    await locked.promise
    await it.stage.owner.update(certificates).set({ state: 'superseded' })
    await rotate('issuing-2')
    const retiring = refusalOf(retire('issuing-1'))
    await vi.waitFor(async () => {
      const { rows } = await it.stage.owner.execute(
        sql`select from pg_locks join pg_stat_activity using (pid) where not granted and datname = current_database()`,
      )
      expect(rows.length).toBeGreaterThan(0)
    }, 5_000)
    slow.resolve()
    await issuing
    expect(await retiring).toBe('issuer-in-use')
  })
})

describe('roots', () => {
  async function roll() {
    await prepare('root-2', 'root')
    await activate('root-2')
    await rotate('issuing-2')
  }

  test('a new root is certified by the old one, and answers carry both', async () => {
    await prepare('root-2', 'root')
    const enrolment = issued(await it.stage.enrol(await it.stage.claim({ device: 'r-1' }), 1))
    expect(enrolment.roots?.match(/BEGIN/g)).toHaveLength(2)
    const bootstrap = await readJson(await it.stage.call('GET', '/v1/bootstrap'))
    expect(bootstrap.roots.match(/BEGIN/g)).toHaveLength(2)
    expect((await findIssuer(it.ctx, 'root-2-by-root')).kind).toBe('cross')
    expect(await refusalOf(activate('root-2-by-root'))).toBe('conflict')
    expect(await refusalOf(retire('root-2-by-root', true))).toBe('conflict')
  })

  test('whoever knows the old root only can follow the new chain to it', async () => {
    const { root } = it.ctx.issuers.active
    await roll()
    const enrolment = issued(await it.stage.enrol(await it.stage.claim({ device: 'r-2' }), 2))
    const path = `${enrolment.certificate}${enrolment.chain}`
      .split(/(?<=-----END CERTIFICATE-----\n)/)
      .map((pem) => new X509Certificate(pem))
    for (const [index, certificate] of path.entries()) {
      const above = path[index + 1] ?? root
      expect(certificate.checkIssued(above) && certificate.verify(above.publicKey)).toBe(true)
    }
    expect(path).toHaveLength(3)
    expect(certificateFingerprint(it.ctx.issuers.anchor.raw)).toBe(certificateFingerprint(root.raw))
  })

  test('the old root goes when nothing comes from it and every device has confirmed the new one', async () => {
    await it.stage.enrolled('c-1', 1)
    await roll()
    expect(await refusalOf(retire('root'))).toBe('issuer-in-use')
    await retire('issuing-1', true)
    await it.stage.enrolled('c-2', 2)
    expect(await refusalOf(retire('root'))).toBe('issuer-in-use')
    const { fingerprint } = await findIssuer(it.ctx, 'root-2')
    await it.ctx.db
      .update(devices)
      .set({ roots: [fingerprint] })
      .where(eq(devices.id, 'c-2'))
    expect(await findIssuer(it.ctx, 'root-2')).toMatchObject({ confirmedBy: 1 })
    expect(await retire('root')).toMatchObject({ state: 'retired' })

    expect((await findIssuer(it.ctx, 'root-2-by-root')).state).toBe('retired')
    const bootstrap = await readJson(await it.stage.call('GET', '/v1/bootstrap'))
    expect(bootstrap.rootFingerprint).toBe(fingerprint)
    const enrolment = issued(await it.stage.enrol(await it.stage.claim({ device: 'c-3' }), 3))
    expect(enrolment.chain.match(/BEGIN/g)).toHaveLength(1)
    expect(enrolment.roots).toBe(bootstrap.roots)
  })

  test('by force also while devices have not confirmed', async () => {
    await roll()
    await retire('issuing-1', true)
    await it.stage.enrolled('d-1', 1)
    expect(await retire('root', true)).toMatchObject({ state: 'retired' })
    expect(await it.stage.audited('root')).toMatchObject([{}, {}, { detail: { force: true, unconfirmed: 1 } }])
  })
})

test('over HTTP: operators only, paged, bodies optional', async () => {
  expect((await it.stage.call('GET', '/v1/issuers', undefined, { authorization: 'Bearer x' })).status).toBe(401)
  const page = await readJson(await it.stage.call('GET', '/v1/issuers?limit=1'))
  expect(page.items).toMatchObject([{ name: 'issuing-1', state: 'active' }])
  const rest = await readJson(await it.stage.call('GET', `/v1/issuers?cursor=${page.next}`))
  expect(rest.items).toMatchObject([{ name: 'root', kind: 'root' }])
  expect((await it.stage.call('POST', '/v1/issuers', { name: '../x' })).status).toBe(400)
  expect((await it.stage.call('POST', '/v1/issuers', { name: 'issuing-2' })).status).toBe(201)
  expect((await it.stage.call('POST', '/v1/issuers/issuing-2/activate')).status).toBe(200)
  expect((await it.stage.call('POST', '/v1/issuers/issuing-1/retire', { force: false })).status).toBe(200)
  expect(await readJson(await it.stage.call('GET', '/v1/issuers/issuing-1'))).toMatchObject({ state: 'retired' })
})
