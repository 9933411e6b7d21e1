import { X509Certificate } from 'node:crypto'
import { mkdir, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { certificates, devices, fleets, issuers, operatorTokens } from '@muster/db'
import { openTestDb } from '@muster/db/testing'
import { createRoot, fileKeyStore, importIssuer, openCa, openKeyStore } from '@muster/pki'
import { eq } from 'drizzle-orm'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { loadConfig } from '../config.ts'
import { fileCaStore } from '../issuers/ca-store.ts'
import { openIssuers } from '../issuers/open.ts'
import { openStage, refusalOf, type Stage } from '../testing/stage.ts'
import { issueOwnCertificate } from './issue-own-certificate.ts'
import { prepareRegistry } from './prepare-registry.ts'

let stage: Stage
let directory: string
beforeAll(async () => {
  stage = await openStage()
  directory = await mkdtemp(join(tmpdir(), 'muster-start-'))
})
afterAll(async () => {
  await stage?.[Symbol.asyncDispose]()
  await rm(directory, { recursive: true, force: true })
})

const configIn = (data: string) =>
  loadConfig({ MUSTER_DATA: join(directory, data), MUSTER_DATABASE_URL: 'postgresql://unused' })
const at = new Date('2026-03-01T12:00:00Z')
const storeIn = ({ caDirectory: directory, trustDomain }: ReturnType<typeof configIn>) =>
  fileCaStore({ directory, passphrase: undefined, trustDomain, now: () => at })

test('many starts at once on an empty registry make one CA, and a start with another CA is refused', async () => {
  await using test = await openTestDb({ role: 'muster_provisioner' })
  const config = configIn('many')
  await Promise.all(Array.from({ length: 5 }, () => prepareRegistry(test.db, storeIn(config), config, at)))
  expect((await test.db.select().from(issuers)).map(({ name }) => name).sort()).toEqual(['issuing-1', 'root'])
  expect((await test.db.select().from(fleets)).map(({ name }) => name).sort()).toEqual(['default', 'muster'])
  expect(await test.db.$count(operatorTokens)).toBe(1)
  expect(await refusalOf(prepareRegistry(test.db, storeIn(configIn('foreign')), configIn('foreign'), at))).toBe(
    'conflict',
  )
  expect(await test.db.$count(operatorTokens)).toBe(1)
})

test('a CA of one’s own, with others between it and its root, is taken as it was imported', async () => {
  const elsewhere = join(directory, 'elsewhere')
  const own = { directory: elsewhere, now: at, passphrase: 'long enough to be one' }
  const { root: top } = await createRoot({ ...own, name: 'root' })
  const { cross } = await createRoot({ ...own, name: 'policy', crossSignedBy: 'root' })
  const { issuer } = await openCa({ ...own, issuerName: 'works', rootName: 'policy' })
  const config = configIn('brought')
  await mkdir(config.caDirectory, { recursive: true })
  const key = await fileKeyStore(elsewhere, own.passphrase).read('works')
  const keys = await openKeyStore({ directory: config.caDirectory })
  if (key) await keys.import?.('issuing-1', key)
  const certificates = `${issuer.certificate}${cross}${top}`
  await importIssuer({ directory: config.caDirectory, now: at, name: 'issuing-1', certificates })

  await using test = await openTestDb({ role: 'muster_provisioner' })
  await prepareRegistry(test.db, storeIn(config), config, at)
  const rows = await test.db.select().from(issuers)
  expect(rows.map(({ name, kind }) => `${kind} ${name}`).sort()).toEqual([
    'cross issuing-1-above-1',
    'issuing issuing-1',
    'root root',
  ])
  const onError = (error: unknown) => {
    throw error
  }
  const opened = await openIssuers({ db: test.db, store: storeIn(config), onError })
  expect(opened.anchor.raw).toEqual(top.raw)
  expect((await opened.chainOf('issuing-1')).map(({ raw }) => raw)).toEqual([issuer.certificate.raw, cross?.raw])
})

test('the own certificate names every way to this host, and is on record', async () => {
  const { material, renewAt, notAfter } = await issueOwnCertificate(stage.deps, 'provisioner-7')
  const leaf = new X509Certificate(material.cert)
  for (const host of ['localhost', 'muster.example']) expect(leaf.checkHost(host)).toBe(host)
  for (const address of ['127.0.0.1', '::1']) expect(leaf.checkIP(address)).toBeDefined()
  expect(leaf.verify(stage.deps.issuers.active.certificate.publicKey)).toBe(true)
  expect(material.cert.match(/BEGIN CERTIFICATE/g)).toHaveLength(2)
  expect(renewAt.getTime()).toBeLessThan(notAfter.getTime())
  const [row] = await stage.deps.db.select().from(devices).where(eq(devices.id, 'provisioner-7'))
  expect(row).toMatchObject({ fleet: 'muster', group: 'provisioners', profile: 'server', state: 'active' })
  expect(await stage.audited('provisioner-7')).toMatchObject([{ actor: 'provisioner-7', action: 'device.enrol' }])
})

test('a start under the same name takes the row over', async () => {
  const first = await issueOwnCertificate(stage.deps, 'provisioner-8')
  const second = await issueOwnCertificate(stage.deps, 'provisioner-8')
  expect(second.material.key).not.toBe(first.material.key)
  const rows = await stage.deps.db.select().from(certificates).where(eq(certificates.device, 'provisioner-8'))
  expect(rows.map(({ state }) => state).sort()).toEqual(['active', 'superseded'])
})
