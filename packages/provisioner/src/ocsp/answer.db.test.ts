import { X509Certificate } from 'node:crypto'
import { certificates, responders as responderRows } from '@muster/db'
import { createOcspRequest, encodeOcspCertId, encodeOcspError, encodeOcspRequest, ocspIssuerHashes } from '@muster/pki'
import { createTestCa } from '@muster/pki/testing'
import { openOpensslRoom } from '@muster/pki/testing/openssl'
import { eq } from 'drizzle-orm'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { revokeDevice } from '../devices/revoke.ts'
import { type IssuerStage, openIssuerStage } from '../testing/issuer-stage.ts'
import { createOcspAnswers } from './answer.ts'
import { openResponders, type Responders } from './responders.ts'

const hourMs = 3_600_000
const dayMs = 24 * hourMs

let stage: IssuerStage
let responders: Responders
beforeEach(async () => {
  stage = await openIssuerStage()
  responders = await openResponders(stage.ctx, 'provisioner-1')
})
afterEach(async () => {
  responders[Symbol.dispose]()
  await stage[Symbol.asyncDispose]()
})

async function enrolled(id: string): Promise<X509Certificate> {
  await stage.stage.enrolled(id)
  const [row] = await stage.ctx.db.select().from(certificates).where(eq(certificates.device, id))
  if (!row) throw new Error('there is no certificate')
  return new X509Certificate(row.der)
}

const answers = (db = stage.ctx.db) => createOcspAnswers({ ...stage.ctx, db, responders })
const request = (certificate: X509Certificate) => createOcspRequest(certificate, stage.ctx.issuers.active.certificate)
const counted = async (status: string) => {
  const { values } = await stage.ctx.metrics.ocspRequests.get()
  return values.find(({ labels }) => labels.status === status)?.value ?? 0
}
const errorOf = (name: Parameters<typeof encodeOcspError>[0]) => new Uint8Array(encodeOcspError(name))

test('an answer is signed once, and anew when the certificate is revoked or half of its time is over', async () => {
  const leaf = await enrolled('pump-1')
  const ocsp = answers()
  const first = await ocsp.answer(request(leaf))
  expect((await ocsp.answer(request(leaf).toString('base64'))).der).toBe(first.der)
  expect([await counted('good'), await counted('cached')]).toEqual([1, 1])
  expect((first.kept?.nextUpdate.getTime() ?? 0) - (first.kept?.thisUpdate.getTime() ?? 0)).toBe(hourMs)

  stage.stage.advance(hourMs / 2 + 1_000)
  expect((await ocsp.answer(request(leaf))).der).not.toBe(first.der)
  await revokeDevice(stage.ctx, { fleet: 'default', id: 'pump-1' }, 'keyCompromise')
  ocsp.forget(leaf.serialNumber.toLowerCase())
  await ocsp.answer(request(leaf))
  expect([await counted('good'), await counted('revoked')]).toEqual([2, 1])
})

test('a revocation that comes while a good answer is being signed is not hidden by it', async () => {
  const leaf = await enrolled('pump-1')
  let interrupt: (() => Promise<void>) | undefined
  const slow = new Proxy(stage.ctx.db, {
    get: (target, key) => {
      const value = Reflect.get(target, key)
      if (key !== 'select') return value
      return (fields: Parameters<typeof target.select>[0]) => ({
        from: (table: typeof certificates) => ({
          where: async (condition: never) => {
            const rows = await target
              .select(fields as never)
              .from(table)
              .where(condition)
            await interrupt?.()
            return rows
          },
        }),
      })
    },
  })
  const ocsp = answers(slow)
  interrupt = async () => {
    interrupt = undefined
    await revokeDevice(stage.ctx, { fleet: 'default', id: 'pump-1' }, 'keyCompromise')
    ocsp.forget(leaf.serialNumber.toLowerCase())
  }
  await ocsp.answer(request(leaf))
  await ocsp.answer(request(leaf))
  expect([await counted('good'), await counted('revoked'), await counted('cached')]).toEqual([1, 1, 0])
})

test('a nonce is answered afresh and kept by nobody', async () => {
  const leaf = await enrolled('pump-1')
  const certId = encodeOcspCertId(
    ocspIssuerHashes(stage.ctx.issuers.active.certificate),
    leaf.serialNumber.toLowerCase(),
  )
  const nonce = Buffer.alloc(16, 7)
  const ocsp = answers()
  for (let turn = 0; turn < 2; turn++) {
    const { der, kept } = await ocsp.answer(encodeOcspRequest([certId], nonce))
    expect(kept).toBeUndefined()
    expect(Buffer.from(der).includes(nonce)).toBe(true)
  }
  expect(await counted('good')).toBe(2)
})

test('another CA is not ours to speak of; unknown serials are unknown, and take no place', async () => {
  const foreign = await createTestCa()
  const hashes = ocspIssuerHashes(foreign.issuer.certificate)
  const ocsp = answers()
  expect((await ocsp.answer(encodeOcspRequest([encodeOcspCertId(hashes, '40aa')]))).der).toEqual(
    errorOf('unauthorized'),
  )
  const own = ocspIssuerHashes(stage.ctx.issuers.active.certificate)
  for (let turn = 0; turn < 2; turn++)
    await ocsp.answer(encodeOcspRequest([encodeOcspCertId(own, '40aa'), encodeOcspCertId(hashes, '40bb')]))
  expect(await counted('unknown')).toBe(4)
  expect(await counted('cached')).toBe(0)
  expect((await ocsp.answer('%')).der).toEqual(errorOf('malformedRequest'))
})

test('without the registry: later', async () => {
  const leaf = await enrolled('pump-1')
  const away = new Proxy(stage.ctx.db, {
    get: () => {
      throw new Error('the registry is away')
    },
  })
  expect((await answers(away).answer(request(leaf))).der).toEqual(errorOf('tryLater'))
  expect(await answers(away).staple(leaf.raw)).toBeUndefined()
})

test('the responder is on record with its audit entry, its own status is good, and openssl believes it', async () => {
  const { db, issuers } = stage.ctx
  const [row] = await db.select().from(responderRows)
  if (!row) throw new Error('no responder is on record')
  expect(row).toMatchObject({ issuer: 'issuing-1', node: 'provisioner-1' })
  expect(await stage.stage.audited('provisioner-1')).toContainEqual({
    actor: 'provisioner-1',
    action: 'responder.issue',
    detail: { serial: row.serial, issuer: 'issuing-1', notAfter: row.notAfter.toISOString() },
  })
  const responder = new X509Certificate(row.der)
  expect(responder.verify(issuers.active.certificate.publicKey)).toBe(true)
  const { der } = await answers().answer(request(responder))
  await using room = await openOpensslRoom()
  await room.write('root.pem', issuers.anchor.toString())
  await room.write('issuing.pem', issuers.active.certificate.toString())
  await room.write('responder.pem', responder.toString())
  await room.write('answer.der', der)
  const at = String(stage.ctx.now().getTime() / 1_000)
  const shown = await room.openssl(
    ...['ocsp', '-CAfile', 'root.pem', '-issuer', 'issuing.pem', '-cert', 'responder.pem', '-no_nonce'],
    ...['-attime', at, '-respin', 'answer.der', '-validity_period', '999999999'],
  )
  expect(shown).toContain('Response verify OK')
  expect(shown).toContain('responder.pem: good')
})

test('a new responder comes long before the old one ends, and another process has its own', async () => {
  const { ctx } = stage
  let look = () => {}
  const issuers = Object.assign(Object.create(ctx.issuers), { onChange: (listener: () => void) => (look = listener) })
  using other = await openResponders({ ...ctx, issuers }, 'provisioner-2')
  const [first] = other.list()
  expect(await ctx.db.$count(responderRows)).toBe(2)
  look()
  stage.stage.advance(4 * dayMs)
  look()
  await vi.waitFor(() => expect(other.list()[0]).not.toBe(first))
  expect(await ctx.db.$count(responderRows)).toBe(3)
  expect(other.list()[0]?.responder.certificate.validFromDate.getTime()).toBe(ctx.now().getTime() - hourMs)
})
