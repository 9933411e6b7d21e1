import { ByteSize, Name } from '@muster/contracts'
import { z } from 'zod'
import { DeviceClass } from './device-class.ts'
import { Phase } from './phase.ts'
import { Time } from './units.ts'

const percentiles = { p50: Time.optional(), p90: Time.optional(), p99: Time.optional(), max: Time.optional() }
const Latency = z.strictObject(percentiles)

/** What has to hold for the verdict, beside the invariants, which always have to. */
const Slos = z.strictObject({
  /** First request until the certificate is stored, retries and waiting included. */
  enrol: Latency.optional(),
  /** TCP connect until CONNACK: a full handshake, and a resumed session. */
  connect: Latency.optional(),
  resume: Latency.optional(),
  /** PUBLISH with QoS 1 or 2 until it is acknowledged. */
  publish: Latency.optional(),
  /** Request until the new certificate is stored. */
  renew: Latency.optional(),
  /** A command leaves until its answer is there. */
  command: Latency.optional(),
  /** The API's answer until the device's connection is closed. */
  revoke: Latency.optional(),
  /** After a storm: until so many of those who may are connected again. */
  recovered: z.strictObject({ share: z.number().min(0).max(1).default(1), within: Time }).optional(),
})
export type Slos = z.output<typeof Slos>

/** A whole run, as written by people: see docs/simulator.md. */
export const Scenario = z
  .strictObject({
    name: Name,
    title: z.string().max(100),
    description: z.string().max(2_000).default(''),
    /** The same seed: the same devices, readings and faults. */
    seed: z.int().default(1),
    devices: z.record(Name, DeviceClass).refine((classes) => Object.keys(classes).length > 0, 'at least one class'),
    phases: z.array(Phase).min(1).max(100),
    slos: Slos.prefault({}),
    /** How it is played with `--small`: so many devices in all, and times multiplied by so much. */
    small: z
      .strictObject({ devices: z.int().positive(), time: z.number().positive().max(1) })
      .prefault({ devices: 40, time: 0.1 }),
    /** Most that a device may cost the simulator; a run beyond it is not trusted. */
    memoryPerDevice: ByteSize.optional(),
  })
  .meta({ id: 'Scenario' })
export type Scenario = z.output<typeof Scenario>
