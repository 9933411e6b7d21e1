import type { KeyObject } from 'node:crypto'
import type { DeviceStore, StoredEnrolment } from './device-store.ts'

/** A store that is gone with the process: for tests and simulated devices. */
export function memoryStore(): DeviceStore {
  let key: KeyObject | undefined
  let enrolment: StoredEnrolment | undefined
  return {
    loadKey: async () => key,
    addKey: async (candidate) => {
      key ??= candidate
      return key
    },
    loadEnrolment: async () => enrolment,
    saveEnrolment: async (answer) => {
      enrolment = answer
    },
  }
}
