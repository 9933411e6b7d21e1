import type { KeyObject, X509Certificate } from 'node:crypto'
import type { Identity } from '@muster/contracts'
import { createIssuingCertificate, createRootCertificate } from './ca/certificates.ts'
import { keySigner } from './ca/key-store.ts'
import { createCsr } from './csr/create.ts'
import { readCsr } from './csr/read.ts'
import { type IssuedCertificate, issueCertificate } from './issue.ts'
import type { Issuer } from './issuer.ts'
import { generateKey, type KeyAlgorithm } from './keys/generate.ts'

const pool = new Map<string, Promise<KeyObject>>()

/** The same private key for the same arguments, made once a process. */
export function poolKey(algorithm: KeyAlgorithm = 'p256', index = 0): Promise<KeyObject> {
  const slot = `${algorithm}/${index}`
  let key = pool.get(slot)
  if (!key) {
    key = generateKey(algorithm)
    pool.set(slot, key)
  }
  return key
}

export interface TestCa {
  root: X509Certificate
  rootKey: KeyObject
  issuer: Issuer
  issuerKey: KeyObject
  trustDomain: string
  /** A certificate for `identity`, 90 days from `now` unless said otherwise. */
  issue(identity: TestIdentity, key: KeyObject, options?: TestIssueOptions): Promise<IssuedCertificate>
}

export type TestIdentity = Partial<Identity> & Pick<Identity, 'device'>

export interface TestIssueOptions {
  notBefore?: Date
  notAfter?: Date
  hosts?: readonly string[]
}

export interface TestCaOptions {
  now?: Date
  trustDomain?: string
  issuerKey?: KeyObject
  /** Of the issuing CA; `issuing-1`. */
  name?: string
  /** Whose root this is another issuing CA of. */
  under?: TestCa
}

/** A root and an issuing CA in memory, with fresh keys. */
export async function createTestCa(options: TestCaOptions = {}): Promise<TestCa> {
  const { now = new Date(), trustDomain = 'muster.local', name = 'issuing-1', under } = options
  const rootKey = under?.rootKey ?? (await generateKey())
  const issuerKey = options.issuerKey ?? (await generateKey())
  const rootSigner = keySigner(rootKey)
  const signer = keySigner(issuerKey)
  const root = under?.root ?? (await createRootCertificate(rootSigner, trustDomain, now))
  const subject = { name, spki: signer.spki, trustDomain }
  const certificate = await createIssuingCertificate({ certificate: root, signer: rootSigner }, subject, now)
  const issuer: Issuer = { name: subject.name, certificate, chain: [certificate], root, ...signer }
  const issue: TestCa['issue'] = async (identity, key, options = {}) =>
    issueCertificate(issuer, {
      identity: { fleet: 'default', group: 'default', profile: 'device', ...identity },
      spki: readCsr(createCsr(key)).spki,
      trustDomain,
      notBefore: options.notBefore ?? new Date(now.getTime() - 300_000),
      notAfter: options.notAfter ?? new Date(now.getTime() + 90 * 86_400_000),
      ...(options.hosts && { hosts: options.hosts }),
    })
  return { root, rootKey, issuer, issuerKey, trustDomain, issue }
}
