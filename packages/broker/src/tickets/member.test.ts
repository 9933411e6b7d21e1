import { generateKeyPairSync, randomBytes, X509Certificate } from 'node:crypto'
import { platformFleet } from '@muster/contracts'
import { createTestCa, poolKey, type TestCa } from '@muster/pki/testing'
import { beforeAll, describe, expect, test } from 'vitest'
import { createMember, isMember, openShare, sealShare, signMember } from './member.ts'

let ca: TestCa
beforeAll(async () => {
  ca = await createTestCa()
})
const authorities = () => [ca.root, ca.issuer.certificate].map((each) => new X509Certificate(each.toString()))

async function certify(options: { device?: string; fleet?: string; profile?: 'server' | 'service'; by?: TestCa } = {}) {
  const { device = 'node-1', fleet = platformFleet, profile = 'server', by = ca } = options
  const key = await poolKey('p256', 1)
  const issued = await by.issue({ fleet, group: 'brokers', device, profile }, key, {
    ...(profile === 'server' && { hosts: ['localhost'] }),
  })
  return { key, certificate: issued.der }
}

describe('a member', () => {
  test('is whoever has a server certificate of ours for the node', async () => {
    const member = createMember('node-1')
    const { key, certificate } = await certify()
    const claim = { node: 'node-1', publicKey: member.publicKey, signature: signMember(member, key), certificate }
    expect(isMember(claim, authorities(), new Date())).toBe(true)
    expect(isMember(claim, authorities(), new Date(Date.now() + 400 * 86_400_000))).toBe(false)
    expect(isMember({ ...claim, publicKey: createMember('node-1').publicKey }, authorities(), new Date())).toBe(false)
    expect(isMember({ ...claim, node: 'node-2' }, authorities(), new Date())).toBe(false)
    expect(isMember(claim, [], new Date())).toBe(false)
  })

  test.each<[string, Parameters<typeof certify>[0]]>([
    ['another node', { device: 'node-2' }],
    ['another fleet', { fleet: 'default' }],
    ['a service of the platform’s fleet', { profile: 'service' }],
  ])('is not who has the certificate of %s', async (_, options) => {
    const member = createMember('node-1')
    const { key, certificate } = await certify(options)
    const claim = { node: 'node-1', publicKey: member.publicKey, signature: signMember(member, key), certificate }
    expect(isMember(claim, authorities(), new Date())).toBe(false)
  })

  test('is not who has the names from another CA', async () => {
    const member = createMember('node-1')
    const { key, certificate } = await certify({ by: await createTestCa() })
    const claim = { node: 'node-1', publicKey: member.publicKey, signature: signMember(member, key), certificate }
    expect(isMember(claim, authorities(), new Date())).toBe(false)
  })
})

describe('a share', () => {
  const [maker, reader, third] = [createMember('node-1'), createMember('node-2'), createMember('node-3')]
  const secret = randomBytes(32)

  test('is opened by the process it was sealed for, and by nobody else', () => {
    const share = sealShare(secret, maker, reader.publicKey, 'k', 7)
    expect(openShare(share, reader)).toEqual(secret)
    expect(share.sealed.includes(secret)).toBe(false)
    expect(() => openShare(share, third)).toThrow()
    expect(() => openShare(share, createMember('node-2'))).toThrow()
  })

  test('says who has sealed it, and for what', () => {
    const share = sealShare(secret, third, reader.publicKey, 'k', 7)
    const bitten = Buffer.from(share.sealed)
    bitten.writeUInt8(bitten.readUInt8(20) ^ 1, 20)
    for (const lie of [
      { ...share, sender: maker.publicKey },
      { ...share, key: 'l' },
      { ...share, period: 8 },
      { ...share, recipient: maker.publicKey },
      { ...share, sealed: bitten },
      { ...share, sealed: share.sealed.subarray(0, 20) },
    ])
      expect(() => openShare(lie, reader)).toThrow()
  })

  test('is not sealed for something else than a public key', () => {
    const { publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
    const other = publicKey.export({ type: 'spki', format: 'der' })
    for (const recipient of [Buffer.alloc(44), other])
      expect(() => sealShare(secret, maker, recipient, 'k', 1)).toThrow()
  })
})
