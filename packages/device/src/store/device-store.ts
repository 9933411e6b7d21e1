import type { KeyObject } from 'node:crypto'
import { Enrolment } from '@muster/contracts'
import { z } from 'zod'

/** What a device keeps of its enrolment: the answer, and the roots it trusts with it. */
export const StoredEnrolment = z.object({
  version: z.literal(1),
  url: z.string().describe('the provisioner'),
  roots: z.string().describe('the pinned root certificates, PEM'),
  enrolment: Enrolment,
})
export type StoredEnrolment = z.infer<typeof StoredEnrolment>

/**
 * Where a device keeps its key and its certificate. What a promise of it resolved for survives a power cut.
 * A renewed certificate is the next one, beside the current, until the platform has seen it.
 */
export interface DeviceStore {
  /** The key of the current certificate. */
  loadKey(): Promise<KeyObject | undefined>
  /** Keeps `key` unless there is one already; answers the key that is kept. */
  addKey(key: KeyObject): Promise<KeyObject>
  loadEnrolment(): Promise<StoredEnrolment | undefined>
  saveEnrolment(enrolment: StoredEnrolment): Promise<void>
  /** A new key that a renewal is for; absent where the key stays the same. */
  loadNextKey(): Promise<KeyObject | undefined>
  /** As `addKey`. */
  addNextKey(key: KeyObject): Promise<KeyObject>
  loadNext(): Promise<StoredEnrolment | undefined>
  saveNext(enrolment: StoredEnrolment): Promise<void>
  /** The next certificate, if it still is `certificate` (PEM), and its key become the current ones, in one step. */
  promoteNext(certificate: string): Promise<void>
  /** Gives up the next certificate and its key. */
  dropNext(): Promise<void>
}
