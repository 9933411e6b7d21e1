import type { KeyObject } from 'node:crypto'
import { type Enrolment, MusterError } from '@muster/contracts'
import type { DeviceStore } from './device-store.ts'

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
  const [key, stored] = await Promise.all([store.loadKey(), store.loadEnrolment()])
  if (!key || !stored) throw new MusterError('certificate-missing', 'the device has not enrolled')
  const { enrolment, roots } = stored
  return { key, certificate: enrolment.certificate + enrolment.chain, roots, enrolment }
}
