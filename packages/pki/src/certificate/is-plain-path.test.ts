import { X509Certificate } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type OpensslRoom, openOpensslRoom } from '../testing/openssl.ts'
import { createTestCa, poolKey, type TestCa } from '../testing.ts'
import { isPlainPath } from './is-plain-path.ts'

let ca: TestCa
let room: OpensslRoom
beforeAll(async () => {
  ca = await createTestCa()
  room = await openOpensslRoom()
})
afterAll(() => room?.[Symbol.asyncDispose]())

const identity = { fleet: 'muster', group: 'provisioners', device: 'p-1', profile: 'server' } as const

test('the path of a server of ours is plain, that of a device is not', async () => {
  const key = await poolKey()
  const server = new X509Certificate((await ca.issue(identity, key, { hosts: ['localhost'] })).der)
  const device = new X509Certificate((await ca.issue({ device: 'd-1' }, key)).der)
  expect(isPlainPath([server, ca.issuer.certificate], ca.root)).toBe(true)
  expect(isPlainPath([device, ca.issuer.certificate], ca.root)).toBe(false)
  expect(isPlainPath([], ca.root)).toBe(false)
})

const authority = { bc: 'critical,CA:TRUE', ku: 'critical,keyCertSign' }
const server = { bc: 'CA:FALSE', ku: 'critical,digitalSignature', eku: 'serverAuth' }
interface Made {
  bc?: string
  ku?: string
  eku?: string
  more?: string
  key?: string[]
  hash?: string
}

/** Root, issuing CA and leaf, made by openssl with these extensions and keys. */
async function make(name: string, { root = {}, issuing = {}, leaf = {} }: Record<string, Made>) {
  const all = { root: { ...authority, ...root }, issuing: { ...authority, ...issuing }, leaf: { ...server, ...leaf } }
  for (const [
    who,
    { bc, ku, eku, more, key = ['EC', '-pkeyopt', 'ec_paramgen_curve:P-256'], hash },
  ] of Object.entries<Made>(all)) {
    const lines = [bc && `basicConstraints=${bc}`, ku && `keyUsage=${ku}`, eku && `extendedKeyUsage=${eku}`, more]
    await room.write(
      `${name}-${who}.cnf`,
      `[req]\ndistinguished_name=dn\n[dn]\n[ext]\n${lines.filter(Boolean).join('\n')}\n`,
    )
    await room.openssl('genpkey', '-algorithm', ...key, '-out', `${name}-${who}.key`)
    const above = { issuing: 'root', leaf: 'issuing' }[who]
    const issuer = above ? ['-CA', `${name}-${above}.crt`, '-CAkey', `${name}-${above}.key`] : []
    const certificate = [
      '-x509',
      '-subj',
      `/CN=${who}`,
      '-config',
      `${name}-${who}.cnf`,
      '-extensions',
      'ext',
      `-${hash ?? 'sha256'}`,
    ]
    await room.openssl(
      'req',
      '-new',
      ...certificate,
      '-key',
      `${name}-${who}.key`,
      ...issuer,
      '-out',
      `${name}-${who}.crt`,
    )
  }
  const [top, ...path] = await Promise.all(
    ['root', 'leaf', 'issuing'].map(async (who) => new X509Certificate(await room.read(`${name}-${who}.crt`))),
  )
  if (!top) throw new Error('no root')
  return isPlainPath(path, top)
}

describe('made by openssl', () => {
  test.each<[string, boolean, Record<string, Made>]>([
    ['as usual', true, {}],
    [
      'a path length that is kept to',
      true,
      { root: { bc: 'critical,CA:TRUE,pathlen:1' }, issuing: { bc: 'CA:TRUE,pathlen:0' } },
    ],
    ['a CA for servers', true, { issuing: { eku: 'serverAuth' } }],
    ['a path length that is not', false, { root: { bc: 'critical,CA:TRUE,pathlen:0' } }],
    ['a CA for clients', false, { issuing: { eku: 'clientAuth' } }],
    ['a CA that may not sign certificates', false, { issuing: { ku: 'cRLSign' } }],
    ['a CA that is none', false, { issuing: { bc: 'CA:FALSE' } }],
    ['a CA that does not say so', false, { issuing: { bc: '' } }],
    ['a CA with constraints on names', false, { issuing: { more: 'nameConstraints=permitted;DNS:example' } }],
    ['a critical extension nobody knows', false, { leaf: { more: '1.2.3.4=critical,DER:0500' } }],
    ['a leaf for clients', false, { leaf: { eku: 'clientAuth' } }],
    ['a leaf for anything', false, { leaf: { eku: '' } }],
    ['a leaf that may not sign', false, { leaf: { ku: 'keyAgreement' } }],
    ['a signature with SHA-1', false, { leaf: { hash: 'sha1' } }],
    ['a weak key', false, { leaf: { key: ['RSA', '-pkeyopt', 'rsa_keygen_bits:1024'] } }],
  ])('%s', async (name, plain, made) => {
    expect(await make(name.replaceAll(/\W/g, '-'), made)).toBe(plain)
  })
})
