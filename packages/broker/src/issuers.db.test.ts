import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { issuerTrust } from '@muster/db'
import { createRoot, openCa } from '@muster/pki'
import { createTestCa, type TestCa } from '@muster/pki/testing'
import { eq } from 'drizzle-orm'
import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import { loadTrust } from './issuers.ts'
import { nextEvent, startTestBroker, type TestBroker } from './testing.ts'

let muster: TestBroker
let next: TestCa
beforeAll(async () => {
  muster = await startTestBroker()
  next = await createTestCa({ under: muster.ca, name: 'issuing-2' })
})
afterAll(() => muster?.[Symbol.asyncDispose]())

const trusted = (issuer: string) =>
  muster.db.select({ node: issuerTrust.node }).from(issuerTrust).where(eq(issuerTrust.issuer, issuer))
const isTrusted = (issuer: string) =>
  vi.waitFor(async () => expect(await trusted(issuer)).toEqual([{ node: 'broker-1' }]), 5_000)

test('a node says which issuers it trusts when it starts, and when one is prepared: then it admits its certificates', async () => {
  await isTrusted('issuing-1')
  await isTrusted('root')
  await muster.addIssuer('issuing-2', 'issuing', next.issuer.certificate, 'prepared')
  await isTrusted('issuing-2')
  const device = await muster.addDevice('new-1', { ca: next })
  // Its own certificate alone: the node has the rest.
  const client = await muster.connect({
    ...device,
    cert: device.cert.split(/(?<=-----END CERTIFICATE-----\n)/)[0] ?? '',
  })
  expect(client.connected).toBe(true)
  await client.endAsync()
})

test('it does not say so of an issuer that does not come from its root', async () => {
  const foreign = await createTestCa({ name: 'foreign-1' })
  await muster.addIssuer('foreign-1', 'issuing', foreign.issuer.certificate, 'prepared')
  await muster.addIssuer(
    'after-foreign',
    'issuing',
    (await createTestCa({ under: muster.ca })).issuer.certificate,
    'prepared',
  )
  await isTrusted('after-foreign')
  expect(await trusted('foreign-1')).toEqual([])
})

test('what a retired issuer has issued is closed and refused, the others stay', async () => {
  const old = await muster.addDevice('old-1')
  const young = await muster.addDevice('young-1', { ca: next })
  const [oldClient, youngClient] = await Promise.all([muster.connect(old), muster.connect(young)])
  const closed = nextEvent(oldClient, 'close')
  await muster.changeIssuer('issuing-1', 'retired')
  await closed
  await expect(muster.connect(old)).rejects.toMatchObject({ code: 5 })
  await vi.waitFor(async () => expect(await muster.refusals('old-1')).toEqual(['certificate-untrusted']))
  expect(youngClient.connected).toBe(true)
  await youngClient.endAsync()
})

test('a root that a pinned root has certified is believed, and goes on when the old one is retired', async () => {
  await using stack = new AsyncDisposableStack()
  const directory = await mkdtemp(join(tmpdir(), 'muster-trust-'))
  stack.defer(() => rm(directory, { recursive: true }))
  const now = new Date()
  const first = await openCa({ directory, now })
  const { root, cross } = await createRoot({ directory, now, name: 'root-2', crossSignedBy: 'root' })
  const second = await openCa({ directory, now, issuerName: 'issuing-2', rootName: 'root-2' })
  await using own = await startTestBroker()
  const load = () => loadTrust(own.db, first.root.toString())
  await own.addIssuer('next-root', 'root', root, 'prepared')
  await own.addIssuer('next-issuing', 'issuing', second.issuer.certificate, 'prepared')
  expect((await load()).names).toEqual([])
  if (cross) await own.addIssuer('next-root-by-first', 'cross', cross, 'active')
  expect((await load()).names).toEqual(['next-root', 'next-issuing', 'next-root-by-first'])

  await own.addIssuer('first', 'root', first.root, 'retired')
  await own.changeIssuer('next-root-by-first', 'retired')
  const { ca, names } = await load()
  expect(names).toEqual(['next-root', 'next-issuing'])
  expect(ca).not.toContain(first.root.toString())
})
