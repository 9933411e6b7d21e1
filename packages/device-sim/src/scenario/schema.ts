import { ByteSize, Name } from '@muster/contracts'
import { z } from 'zod'
import { checkConsistency } from './check-consistency.ts'
import { DeviceClass } from './device-class.ts'
import { Phase } from './phase.ts'
import { Percent, Time } from './units.ts'

const Latency = z
  .strictObject({ p50: Time.optional(), p90: Time.optional(), p99: Time.optional(), max: Time.optional() })
  .refine((limits) => Object.keys(limits).length > 0, 'must limit p50, p90, p99 or max')

const Errors = z
  .strictObject({
    unexpected: z
      .union(
        [z.int().min(0), Percent.transform((share) => ({ share }))],
        'must be a number, or a share of the devices like 1%',
      )
      .default(0)
      .describe('most that no fault, no network and no operator explains: a number, or a share of the devices like 1%'),
  })
  .describe('What went wrong and was not meant to.')

const Slos = z
  .strictObject({
    enrol: Latency.optional().describe('first request until the certificate is stored, retries and waiting included'),
    connect: Latency.optional().describe('TCP connect until CONNACK, with a full handshake'),
    resume: Latency.optional().describe('the same with a resumed session'),
    publish: Latency.optional().describe('PUBLISH with QoS 1 or 2 until it is acknowledged'),
    renew: Latency.optional().describe('request until the new certificate is stored'),
    command: Latency.optional().describe('a command leaves until its answer is there'),
    revoke: Latency.optional().describe("the API's answer until the device's connection is closed"),
    recovered: z
      .strictObject({ share: z.number().min(0).max(1).default(1), within: Time })
      .optional()
      .describe('after a storm: until so many of those who may are connected again'),
    errors: Errors.prefault({}),
  })
  .describe('What has to hold for the verdict, beside the invariants, which always have to.')
export type Slos = z.output<typeof Slos>

const Small = z
  .strictObject({
    devices: z.int().positive().default(40).describe('in all'),
    time: z.number().positive().max(1).default(0.1).describe('what times are multiplied by'),
    limits: z
      .number()
      .min(1)
      .max(100)
      .default(1)
      .describe('what the times in `slos` are multiplied by: of a few devices the slowest is the p99'),
  })
  .describe('How it is played with --small.')

const ClassName = Name.max(30)

/** A whole run, as written by people: see docs/simulator.md. */
export const Scenario = z
  .strictObject({
    name: Name,
    title: z.string().min(1).max(100),
    description: z.string().max(2_000).default('').describe('what it shows, and for whom'),
    seed: z.int().default(1).describe('the same seed: the same devices, readings and faults'),
    devices: z
      .record(ClassName, DeviceClass)
      .refine((classes) => Object.keys(classes).length > 0, 'must have at least one class')
      .describe('Classes of devices, by name.'),
    phases: z.array(Phase).min(1).max(100).describe('One after another; the first is a boot.'),
    slos: Slos.prefault({}),
    small: Small.prefault({}),
    memoryPerDevice: ByteSize.optional().describe(
      'most that a device may cost the simulator; a run beyond it is not trusted',
    ),
  })
  .superRefine(checkConsistency)
export type Scenario = z.output<typeof Scenario>
