import type { KeyObject } from 'node:crypto'
import type { DeviceStore, StoredEnrolment } from './device-store.ts'
import { certifies } from './load-credentials.ts'

/** A store that is gone with the process: for tests and simulated devices. */
export function memoryStore(): DeviceStore {
  let key: KeyObject | undefined
  let nextKey: KeyObject | undefined
  let enrolment: StoredEnrolment | undefined
  let next: StoredEnrolment | undefined
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
    loadNextKey: async () => nextKey,
    addNextKey: async (candidate) => {
      nextKey ??= candidate
      return nextKey
    },
    loadNext: async () => next,
    saveNext: async (answer) => {
      next = answer
    },
    promoteNext: async (certificate) => {
      if (next?.enrolment.certificate !== certificate) return
      enrolment = next
      next = undefined
      if (nextKey && certifies(certificate, nextKey)) key = nextKey
      nextKey = undefined
    },
    dropNext: async () => {
      next = undefined
      nextKey = undefined
    },
  }
}
