import { X509Certificate } from 'node:crypto'
import { type Enrolment, parsePeerIdentity } from '@muster/contracts'
import { certificates, claims, devices } from '@muster/db'
import { poolKey } from '@muster/pki/testing'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { approveDevice } from '../devices/approve.ts'
import { retireDevice } from '../devices/retire.ts'
import { csrOf, openStage, peer, type Stage } from '../testing/stage.ts'
import type { EnrolResult } from './enrol.ts'

let stage: Stage
beforeAll(async () => {
  stage = await openStage()
})
afterAll(() => stage?.[Symbol.asyncDispose]())

function issued(result: EnrolResult): Enrolment {
  if (result.result === 'pending') throw new Error('pending')
  return result.enrolment
}
const leafOf = (result: EnrolResult) => new X509Certificate(issued(result).certificate)

describe('works', () => {
  test('a claim and a key become a device with a certificate that says who it is', async () => {
    const claim = await stage.claim({ device: 'works-1', group: 'line-1' })
    const result = await stage.enrol(claim, 1, { attributes: { model: 'x' } })
    const enrolment = issued(result)
    const leaf = leafOf(result)
    expect(result.result).toBe('issued')
    expect(enrolment.device).toEqual({ id: 'works-1', group: 'line-1', fleet: 'default' })
    expect(leaf.checkPrivateKey(await poolKey('p256', 1))).toBe(true)
    expect(leaf.verify(stage.deps.issuers.active.certificate.publicKey)).toBe(true)
    expect(parsePeerIdentity(leaf.toLegacyObject() as never)).toEqual({
      fleet: 'default',
      group: 'line-1',
      device: 'works-1',
      profile: 'device',
    })
    const days = (leaf.validToDate.getTime() - stage.deps.now().getTime()) / 86_400_000
    expect(days).toBe(90)
    expect(enrolment.mqtt).toEqual({
      url: 'mqtts://muster.example:8883',
      clientId: 'works-1',
      publish: ['telemetry', 'events', 'state'].map((kind) => `fleets/default/devices/works-1/${kind}/#`),
      subscribe: ['fleets/default/devices/works-1/commands/#', 'fleets/default/groups/line-1/broadcast/#'],
    })
    expect(new X509Certificate(enrolment.chain).raw).toEqual(stage.deps.issuers.active.certificate.raw)
    expect(await rowOf('works-1')).toMatchObject({
      state: 'active',
      attributes: { model: 'x' },
      policy: null,
      claimPolicy: null,
    })
    const id = claim.split('.')[1]
    expect(await stage.audited('works-1')).toMatchObject([
      { actor: `claim:${id}`, action: 'device.enrol', detail: { claim: id, address: peer, state: 'active' } },
    ])
  })

  test('the same claim and key are answered with the same certificate, expired and used up or not', async () => {
    const claim = await stage.claim({ device: 'again-1', expiresIn: '1h' })
    const first = issued(await stage.enrol(claim, 2))
    stage.advance(7_200_000)
    const second = await stage.enrol(claim, 2)
    expect(second.result).toBe('repeated')
    expect(issued(second).certificate).toBe(first.certificate)
    expect(await certificatesOf('again-1')).toHaveLength(1)
    expect(await stage.audited('again-1')).toHaveLength(1)
  })

  test('several names: the device says which, and each key counts once', async () => {
    const claim = await stage.claim({ devices: ['many-1', 'many-2'] })
    await stage.enrol(claim, 3, { device: 'many-1' })
    await stage.enrol(claim, 3, { device: 'many-1' })
    await stage.enrol(claim, 4, { device: 'many-2' })
    const id = claim.split('.')[1]
    const [row] = (await stage.deps.db.select().from(claims)).filter((found) => found.id === id)
    expect(row).toMatchObject({ uses: 2, used: 2 })
  })

  test.each([
    ['service', 'default'],
    ['server', 'muster'],
  ] as const)('profile %s', async (profile, fleet) => {
    const claim = await stage.claim({ device: `p-${profile}`, profile, fleet })
    const leaf = leafOf(await stage.enrol(claim, profile === 'server' ? 5 : 6))
    expect(leaf.subjectAltName).toContain(`/fleet/${fleet}/service/p-${profile}`)
    expect(leaf.checkHost('muster.example') !== undefined).toBe(profile === 'server')
    expect(leaf.checkIP('127.0.0.1') !== undefined).toBe(profile === 'server')
    expect(await rowOf(`p-${profile}`)).toMatchObject({ profile })
  })

  test.each(['p384', 'ed25519', 'rsa2048'] as const)('a %s key', async (algorithm) => {
    const claim = await stage.claim({ device: `key-${algorithm}` })
    const result = await stage.enrol(claim, 0, { csr: await csrOf(0, algorithm) })
    expect(result.result).toBe('issued')
  })

  test('approval: pending until an operator says so, then the certificate', async () => {
    const claim = await stage.claim({ device: 'wait-1', approval: true })
    expect(await stage.enrol(claim, 7)).toEqual({ result: 'pending' })
    expect(await stage.enrol(claim, 7)).toEqual({ result: 'pending' })
    expect(await certificatesOf('wait-1')).toEqual([])
    await approveDevice(stage.ctx, { fleet: 'default', id: 'wait-1' })
    const first = issued(await stage.enrol(claim, 7))
    expect(issued(await stage.enrol(claim, 7)).certificate).toBe(first.certificate)
    const actions = (await stage.audited('wait-1')).map(({ action }) => action)
    expect(actions).toEqual(['device.enrol', 'device.approve', 'certificate.issue'])
  })

  test('another claim for a device and key that are known binds, and returns the certificate there is', async () => {
    const first = issued(await stage.enrol(await stage.claim({ device: 'known-1' }), 8))
    const second = await stage.enrol(await stage.claim({ device: 'known-1' }), 8)
    expect(second.result).toBe('repeated')
    expect(issued(second).certificate).toBe(first.certificate)
    expect(await stage.audited('known-1')).toHaveLength(2)
  })

  test('a new claim renews what has expired; the old certificate is superseded', async () => {
    const first = issued(await stage.enrol(await stage.claim({ device: 'late-1' }), 9))
    stage.advance(91 * 86_400_000)
    const second = issued(await stage.enrol(await stage.claim({ device: 'late-1' }), 9))
    expect(second.certificate).not.toBe(first.certificate)
    expect((await certificatesOf('late-1')).map(({ state }) => state).sort()).toEqual(['active', 'superseded'])
  })

  test('a retired device is enrolled anew, with another key or its old one', async () => {
    await stage.enrolled('reborn-1', 10)
    await retireDevice(stage.ctx, { fleet: 'default', id: 'reborn-1' })
    const claim = await stage.claim({ device: 'reborn-1', group: 'line-2' })
    expect(issued(await stage.enrol(claim, 11)).device.group).toBe('line-2')
    await retireDevice(stage.ctx, { fleet: 'default', id: 'reborn-1' })
    await stage.enrol(await stage.claim({ device: 'reborn-1' }), 10)
    expect(await rowOf('reborn-1')).toMatchObject({ state: 'active', group: 'default' })
    expect((await certificatesOf('reborn-1')).map(({ state }) => state).sort()).toEqual([
      'active',
      'revoked',
      'revoked',
    ])
  })
})

async function rowOf(id: string) {
  const rows = await stage.deps.db.select().from(devices)
  return rows.find((row) => row.id === id)
}

async function certificatesOf(device: string) {
  const rows = await stage.deps.db.select().from(certificates)
  return rows.filter((row) => row.device === device)
}
