import type { DeviceClass, keyAlgorithms, Stream } from '../scenario/device-class.ts'
import type { Fault } from '../scenario/fault.ts'

/** A fault as it happens to one device: which of the choices, by the seed. */
export type PlannedFault = Fault & { /** Selects its random numbers. */ seed: number }

/**
 * All that the seed decides about one device. It follows from the scenario and the device's index alone, so that a worker makes
 * it where it is needed and nobody has to send or keep thousands.
 */
export interface DevicePlan {
  /** In the whole fleet, from 0 on. */
  index: number
  device: string
  className: string
  class: DeviceClass
  keyAlgorithm: (typeof keyAlgorithms)[number]
  /** What it tells at enrolment. */
  attributes: Record<string, string>
  streams: (Stream & {
    /** Its QoS, drawn once. */ level: 0 | 1 | 2 /** Into the first interval. */
    firstAfterMs: number
  })[]
  clock: { skewMs: number; driftPpm: number; bootsAt: number | undefined }
  faults: PlannedFault[]
}

/** What a phase does to one device. */
export interface PlannedTurn {
  index: number
  /** From the beginning of the phase. */
  atMs: number
}
