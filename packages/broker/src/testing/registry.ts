import type { X509Certificate } from 'node:crypto'
import { type IssuerState, issuersChannel, type LifeChange, type ProfileName } from '@muster/contracts'
import { certificates, changes, type Db, devices, fleets, issuers, receipts } from '@muster/db'
import { poolKey, type TestCa, type TestIssueOptions } from '@muster/pki/testing'
import { and, eq, inArray, sql } from 'drizzle-orm'
import { vi } from 'vitest'

export interface TestDevice {
  id: string
  serial: string
  /** PEM */
  key: string
  cert: string
}

export interface AddDeviceOptions extends TestIssueOptions {
  fleet?: string
  group?: string
  profile?: ProfileName
  ca?: TestCa
  /** Not in the registry. */
  unknown?: boolean
}

const now = () => new Date()
const states = { revoke: 'revoked', suspend: 'suspended', resume: 'active', retire: 'retired' } as const

/** Does to the registry what the provisioner does. */
export function createTestRegistry(db: Db, ca: TestCa) {
  let keys = 1

  async function insertDevice(fleet: string, id: string, group: string, profile: ProfileName, keyFingerprint: string) {
    await db.insert(fleets).values({ name: fleet, createdAt: now() }).onConflictDoNothing()
    const state = { state: 'active', keyFingerprint } as const
    await db
      .insert(devices)
      .values({ fleet, id, group, profile, ...state, enrolledAt: now(), stateAt: now() })
      .onConflictDoUpdate({ target: [devices.fleet, devices.id], set: state })
    // A device has one certificate in use.
    const before = and(eq(certificates.fleet, fleet), eq(certificates.device, id), eq(certificates.state, 'active'))
    await db.update(certificates).set({ state: 'superseded' }).where(before)
  }

  async function addIssuer(
    name: string,
    kind: 'root' | 'issuing' | 'cross',
    certificate: X509Certificate,
    state: IssuerState,
  ) {
    const fingerprint = certificate.fingerprint256.replaceAll(':', '').toLowerCase()
    const known = { name, kind, state, der: certificate.raw, fingerprint, notAfter: new Date(certificate.validTo) }
    await db.insert(issuers).values({ ...known, createdAt: now() })
    await db.execute(sql`select pg_notify(${issuersChannel}, ${name})`)
  }

  return {
    async addIssuers() {
      await addIssuer('root', 'root', ca.root, 'active')
      await addIssuer('issuing-1', 'issuing', ca.issuer.certificate, 'active')
    },

    addIssuer,

    async changeIssuer(name: string, state: IssuerState) {
      await db.update(issuers).set({ state }).where(eq(issuers.name, name))
      await db.execute(sql`select pg_notify(${issuersChannel}, ${name})`)
    },

    async addDevice(id: string, options: AddDeviceOptions = {}): Promise<TestDevice> {
      const { fleet = 'default', group = 'default', profile = 'device' } = options
      const privateKey = await poolKey('p256', keys++)
      const issued = await (options.ca ?? ca).issue({ fleet, group, device: id, profile }, privateKey, options)
      const { keyFingerprint, serial, fingerprint, der, notBefore, notAfter } = issued
      const key = privateKey.export({ type: 'pkcs8', format: 'pem' }).toString()
      const { issuer } = options.ca ?? ca
      const device = { id, serial, key, cert: issued.pem + issuer.certificate }
      if (options.unknown) return device
      await insertDevice(fleet, id, group, profile, keyFingerprint)
      const holder = { fleet, device: id, issuer: issuer.name, state: 'active' } as const
      const issue = { serial, fingerprint, keyFingerprint, der, notBefore, notAfter }
      await db.insert(certificates).values({ ...holder, ...issue })
      return device
    },

    /** The next certificate of a device, for a new key, as a renewal leaves it; in the place of `device` with `active`. */
    async renewDevice(device: TestDevice, options: TestIssueOptions & { active?: boolean } = {}): Promise<TestDevice> {
      const [row] = await db.select().from(certificates).where(eq(certificates.serial, device.serial))
      if (!row) throw new Error('no such certificate')
      const { fleet } = row
      const it = and(eq(devices.fleet, fleet), eq(devices.id, device.id))
      const [holder] = await db.select().from(devices).where(it)
      const { group = 'default', profile = 'device' } = holder ?? {}
      const privateKey = await poolKey('p256', keys++)
      const issued = await ca.issue({ fleet, group, device: device.id, profile }, privateKey, options)
      const { keyFingerprint, serial, fingerprint, der, notBefore, notAfter } = issued
      const state = options.active ? 'active' : 'pending'
      if (options.active)
        await db.update(certificates).set({ state: 'superseded' }).where(eq(certificates.serial, device.serial))
      const issue = { serial, fingerprint, keyFingerprint, der, notBefore, notAfter }
      await db.insert(certificates).values({ fleet, device: device.id, issuer: ca.issuer.name, state, ...issue })
      const key = privateKey.export({ type: 'pkcs8', format: 'pem' }).toString()
      return { id: device.id, serial, key, cert: issued.pem + ca.issuer.certificate }
    },

    async stateOf({ serial }: TestDevice) {
      const [row] = await db.select().from(certificates).where(eq(certificates.serial, serial))
      return row?.state
    },

    allowLate: (days: number) => db.update(fleets).set({ lateRenewalDays: days }),

    /** State, certificates, change and notification in one transaction; answers the change's number. */
    change: (device: TestDevice, kind: LifeChange): Promise<string> =>
      db.transaction(async (tx) => {
        const [row] = await tx.select().from(certificates).where(eq(certificates.serial, device.serial))
        const fleet = row?.fleet ?? 'default'
        const it = and(eq(devices.fleet, fleet), eq(devices.id, device.id))
        await tx.update(devices).set({ state: states[kind] }).where(it)
        if (kind === 'revoke' || kind === 'retire') {
          const revoked = { state: 'revoked', revokedAt: now() } as const
          const live = inArray(certificates.state, ['pending', 'active'])
          const held = and(eq(certificates.fleet, fleet), eq(certificates.device, device.id), live)
          await tx.update(certificates).set(revoked).where(held)
        }
        const values = { kind, fleet, device: device.id, at: now() }
        const [change] = await tx.insert(changes).values(values).returning({ seq: changes.seq })
        const seq = String(change?.seq)
        await tx.execute(sql`select pg_notify('muster_changes', ${seq})`)
        return seq
      }),

    /** The node's word on a change, once it is given. */
    receipt: (seq: string, node = 'broker-1') =>
      vi.waitFor(
        async () => {
          const one = and(eq(receipts.change, Number(seq)), eq(receipts.node, node))
          const [receipt] = await db.select().from(receipts).where(one)
          if (!receipt) throw new Error('no receipt yet')
          return receipt
        },
        { timeout: 10_000, interval: 10 },
      ),

    async refusals(id: string): Promise<string[]> {
      const { rows } = await db.execute<{ code: string }>(sql`select code from refusals where device = ${id}`)
      return rows.map(({ code }) => code)
    },
  }
}
export type TestRegistry = ReturnType<typeof createTestRegistry>
