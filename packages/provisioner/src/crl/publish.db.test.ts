import { certificates, crls, devices } from '@muster/db'
import { openOpensslRoom } from '@muster/pki/testing/openssl'
import { asc, eq } from 'drizzle-orm'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { revokeDevice } from '../devices/revoke.ts'
import { type IssuerStage, openIssuerStage } from '../testing/issuer-stage.ts'
import { createCrlShelf } from './find.ts'
import { createRevocationLists } from './lists.ts'
import { createPkiPlaces, shardCount, shardNumber } from './places.ts'
import { type CrlSettings, publishCrls } from './publish.ts'

const hourMs = 3_600_000
const name = 'issuing-1'

let stage: IssuerStage
beforeEach(async () => {
  stage = await openIssuerStage()
})
afterEach(() => stage[Symbol.asyncDispose]())

/** A provisioner of its own: what it has in memory is its own, the registry is everybody's. */
function provisioner(settings: Partial<CrlSettings> = {}) {
  const lists = createRevocationLists()
  const places = createPkiPlaces('http://pki.example')
  const { db, now, issuers } = stage.ctx
  const learned: string[] = []
  const publishing = {
    ...{ db, now, places, onRevoked: (serial: string) => void learned.push(serial) },
    settings: { periodMs: 6 * hourMs, lifetimeMs: 24 * hourMs, ...settings },
  }
  const publish = () => publishCrls(publishing, issuers.active, lists)
  return { publish, places, learned, lists }
}

let count = 0
/** Revokes a new certificate, and says which. */
async function revoked({ ms = 90 * 24 * hourMs, at = stage.ctx.now() } = {}): Promise<string> {
  const id = `device-${count++}`
  const { db, now } = stage.ctx
  const serial = `40${(count * 7_919).toString(16).padStart(30, '0')}`
  await db.insert(devices).values({
    ...{ fleet: 'default', id, group: 'default', policy: 'device', profile: 'device', state: 'revoked' },
    ...{ keyFingerprint: id, enrolledAt: now(), stateAt: now() },
  })
  await db.insert(certificates).values({
    ...{ serial, fleet: 'default', device: id, issuer: name, fingerprint: id, keyFingerprint: id },
    ...{ der: Buffer.alloc(1), state: 'revoked', notBefore: now(), notAfter: new Date(now().getTime() + ms) },
    ...{ revokedAt: at, revocationReason: 'keyCompromise' },
  })
  return serial
}

async function stored(kind: 'full' | 'delta' = 'full', shard = 0) {
  const rows = await stage.ctx.db.select().from(crls).where(eq(crls.issuer, name)).orderBy(asc(crls.shard))
  const row = rows.find((one) => one.kind === kind && one.shard === shard)
  if (!row) throw new Error(`there is no ${kind} CRL ${shard}`)
  return { ...row, lists: (serial: string) => row.der.includes(Buffer.from(serial, 'hex')) }
}

test('a revocation makes the next CRL and its delta; nothing new makes none', async () => {
  const one = provisioner()
  await one.publish()
  expect(await stored()).toMatchObject({ number: 1, entries: 0 })
  const { stage: inner, ctx } = stage
  await inner.enrolled('pump-1')
  await revokeDevice(ctx, { fleet: 'default', id: 'pump-1' }, 'keyCompromise')
  const [{ serial = '' } = {}] = await ctx.db.select().from(certificates).where(eq(certificates.device, 'pump-1'))
  await one.publish()
  await one.publish()
  expect(await stored()).toMatchObject({ number: 2, entries: 1 })
  expect(await stored('delta')).toMatchObject({ number: 2, entries: 1, baseNumber: 1 })
  for (const kind of ['full', 'delta'] as const) expect((await stored(kind)).lists(serial)).toBe(true)
  expect(one.learned).toEqual([serial])
})

test('several provisioners: numbers only grow, nothing revoked is missing, and nobody makes what is there', async () => {
  const all = [provisioner(), provisioner(), provisioner()]
  await Promise.all(all.map(({ publish }) => publish()))
  expect(await stored()).toMatchObject({ number: 1 })
  const known: string[] = []
  let last = 1
  for (let round = 0; round < 6; round++) {
    known.push(await revoked())
    // One that has not looked for a while makes the next: what others have published is in it.
    const some = round % 2 ? all : [all[round % 3]]
    const seen = await Promise.all(some.flatMap((one) => (one ? [one.publish()] : [])))
    expect(seen.length).toBeGreaterThan(0)
    const crl = await stored()
    expect(crl.number).toBe(last + 1)
    last = crl.number
    expect(known.filter((serial) => !crl.lists(serial))).toEqual([])
  }
})

test('provisioners that start at once while devices are being revoked', async () => {
  const all = [provisioner(), provisioner(), provisioner()]
  const serials = await Promise.all(
    Array.from({ length: 12 }, async (_, index) => {
      const serial = await revoked()
      await all[index % 3]?.publish()
      return serial
    }),
  )
  const crl = await stored()
  expect(serials.filter((serial) => !crl.lists(serial))).toEqual([])
  expect(crl.entries).toBe(12)
})

test('on schedule: a new one after the period, an expired certificate leaves after a lifetime, on all provisioners alike', async () => {
  const [one, other] = [provisioner(), provisioner()]
  const [short, long] = [await revoked({ ms: hourMs }), await revoked()]
  await one.publish()
  await other.publish()
  expect(await stored()).toMatchObject({ number: 1, entries: 2 })
  for (let hours = 0; hours < 48; hours += 3) {
    stage.stage.advance(3 * hourMs)
    await one.publish()
    await other.publish()
  }
  const crl = await stored()
  expect(crl).toMatchObject({ number: 1 + 48 / 6, entries: 1 })
  expect([crl.lists(short), crl.lists(long)]).toEqual([false, true])
  expect(crl.nextUpdate.getTime() - crl.thisUpdate.getTime()).toBe(24 * hourMs)
})

test('the base of the delta follows when it has expired', async () => {
  const one = provisioner()
  const old = await revoked()
  await one.publish()
  for (let hours = 0; hours < 60; hours += 6) {
    stage.stage.advance(6 * hourMs)
    await one.publish()
  }
  const fresh = await revoked()
  await one.publish()
  const delta = await stored('delta')
  const complete = await stored()
  expect(delta.number).toBe(complete.number)
  expect(delta.baseNumber).toBeGreaterThan(1)
  expect(delta.baseNumber).toBeLessThan(delta.number)
  expect([delta.lists(old), delta.lists(fresh)]).toEqual([false, true])
  expect([complete.lists(old), complete.lists(fresh)]).toEqual([true, true])
  // The same from another provisioner, which has nothing in memory.
  const last = await revoked()
  await provisioner().publish()
  const next = await stored('delta')
  expect([next.lists(old), next.lists(fresh), next.lists(last)]).toEqual([false, true, true])
  expect(next.baseNumber).toBe(delta.baseNumber)
})

test('a clock that is behind does not turn back the time', async () => {
  const one = provisioner()
  await one.publish()
  stage.stage.advance(-hourMs)
  const serial = await revoked()
  await one.publish()
  const crl = await stored()
  expect(crl.number).toBe(2)
  expect(crl.thisUpdate.getTime()).toBeGreaterThan(stage.ctx.now().getTime())
  expect(crl.lists(serial)).toBe(true)
})

test('a large CRL is cut: certificates name their shard, the complete one stays, one revocation makes one shard anew', async () => {
  const one = provisioner({ shardAbove: 20 })
  const serials = await Promise.all(Array.from({ length: 20 }, () => revoked()))
  await one.publish()
  expect(one.places.sharded.has(name)).toBe(false)
  serials.push(await revoked())
  await one.publish()
  expect(one.places.sharded.has(name)).toBe(true)
  for (const serial of serials) {
    expect((await stored()).lists(serial)).toBe(true)
    expect((await stored('full', shardNumber(serial))).lists(serial)).toBe(true)
  }
  expect(await stage.ctx.db.$count(crls, eq(crls.issuer, name))).toBe(shardCount + 2)

  // Another provisioner sees it, whatever its own settings are.
  const other = provisioner()
  const serial = await revoked()
  await other.publish()
  expect(other.places.sharded.has(name)).toBe(true)
  const rows = await stage.ctx.db.select().from(crls).where(eq(crls.issuer, name))
  const again = rows.filter(({ shard, number }) => shard > 0 && number > 1).map(({ shard }) => shard)
  expect(again).toEqual([shardNumber(serial)])
})

test('what is served follows what any provisioner makes; without the registry, what was read last', async () => {
  const { db, now } = stage.ctx
  let broken = false
  const flaky = new Proxy(db, {
    get: (target, key) => {
      if (key === 'select' && broken) throw new Error('the registry is away')
      return Reflect.get(target, key)
    },
  })
  const shelf = createCrlShelf({ db: flaky, now })
  const complete = { issuer: name, shard: 0, kind: 'full' as const }
  expect(await shelf.find(complete)).toBeUndefined()
  await provisioner().publish()
  const first = await shelf.find(complete)
  await revoked()
  await provisioner().publish()
  const second = await shelf.find(complete)
  expect(second?.etag).not.toBe(first?.etag)
  broken = true
  expect(await shelf.find(complete)).toEqual(second)
  stage.stage.advance(25 * hourMs)
  await expect(shelf.find(complete)).rejects.toThrow('away')
})

test('openssl reads complete, delta and shard as the CRLs of one issuer', async () => {
  await using room = await openOpensslRoom()
  await revoked()
  await provisioner({ shardAbove: 0.5 }).publish()
  await room.write('issuing.pem', stage.ctx.issuers.active.certificate.toString())
  const show = async (der: Uint8Array) => {
    await room.write('one.crl', der)
    return room.openssl('crl', '-inform', 'DER', '-in', 'one.crl', '-noout', '-text', '-CAfile', 'issuing.pem')
  }
  for (const [kind, shard, url] of [
    ['full', 0, 'http://pki.example/crl/issuing-1.crl'],
    ['delta', 0, 'http://pki.example/crl/issuing-1.crl'],
    ['full', 7, 'http://pki.example/crl/issuing-1/7.crl'],
  ] as const) {
    const text = await show((await stored(kind, shard)).der)
    expect(text).toContain('verify OK')
    expect(text).toContain(`URI:${url}`)
    expect(text).toContain('Only User Certificates')
  }
})
