import { createPublicKey, type KeyObject, X509Certificate } from 'node:crypto'
import { type Enrolment, MusterError } from '@muster/contracts'
import type { DeviceStore, StoredEnrolment } from './device-store.ts'

export interface Credentials {
  key: KeyObject
  /** Leaf and chain, PEM: what a TLS endpoint presents. */
  certificate: string
  /** PEM: the only certificates it trusts. */
  roots: string
  enrolment: Enrolment
}

/** What a TLS connection in the name of the device needs. @throws MusterError `certificate-missing` before enrolment */
export async function loadCredentials(store: DeviceStore): Promise<Credentials> {
  // A renewal that is completed between the two look-ups changes both.
  for (let attempt = 0; attempt < 3; attempt += 1) {
    const [key, stored] = [await store.loadKey(), await store.loadEnrolment()]
    if (!key || !stored) throw new MusterError('certificate-missing', 'the device has not enrolled')
    if (certifies(stored.enrolment.certificate, key)) return credentialsOf(key, stored)
  }
  throw new MusterError('internal', 'the key of the device is not the certified one')
}

/** The same of a renewed certificate that the platform has not seen yet. */
export async function loadNextCredentials(store: DeviceStore): Promise<Credentials | undefined> {
  const stored = await store.loadNext()
  if (!stored) return undefined
  for (const key of [await store.loadNextKey(), await store.loadKey()])
    if (key && certifies(stored.enrolment.certificate, key)) return credentialsOf(key, stored)
  return undefined
}

function credentialsOf(key: KeyObject, { enrolment, roots }: StoredEnrolment): Credentials {
  return { key, certificate: enrolment.certificate + enrolment.chain, roots, enrolment }
}

/** Is the certificate (PEM) for this key? */
export function certifies(certificate: string, key: KeyObject): boolean {
  return new X509Certificate(certificate).publicKey.equals(createPublicKey(key))
}
