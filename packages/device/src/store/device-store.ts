import type { KeyObject } from 'node:crypto'
import { Enrolment } from '@muster/contracts'
import { z } from 'zod'

/** What a device keeps of its enrolment: the answer, and the root it was checked against. */
export const StoredEnrolment = z.object({
  version: z.literal(1),
  url: z.string().describe('the provisioner'),
  roots: z.string().describe('the pinned root certificates, PEM'),
  enrolment: Enrolment,
})
export type StoredEnrolment = z.infer<typeof StoredEnrolment>

/** Where a device keeps its key and its certificate. What a promise of it resolved for survives a power cut. */
export interface DeviceStore {
  loadKey(): Promise<KeyObject | undefined>
  /** Keeps `key` unless there is one already; answers the key that is kept. */
  addKey(key: KeyObject): Promise<KeyObject>
  loadEnrolment(): Promise<StoredEnrolment | undefined>
  saveEnrolment(enrolment: StoredEnrolment): Promise<void>
}
