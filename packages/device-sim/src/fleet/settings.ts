import { readFile } from 'node:fs/promises'
import { Name } from '@muster/contracts'
import { z } from 'zod'
import { keyAlgorithms } from '../scenario/device-class.ts'
import type { FleetEvent } from './events.ts'

const settings = {
  url: z.string(),
  devices: z.int().min(1).max(100_000).default(10),
  seed: z.int().default(1),
  prefix: z
    .string()
    .regex(/^[a-z0-9][a-z0-9._-]{0,50}$/)
    .default('sim'),
  skip: z.array(Name).default([]),
  ramp: z.number().positive().max(10_000).default(50),
  intervalMs: z.int().min(1).max(86_400_000).default(1_000),
  durationMs: z.int().positive().optional(),
  qos: z.union([z.literal(0), z.literal(1), z.literal(2)]).default(1),
  store: z.string().optional(),
  keyAlgorithm: z.enum(keyAlgorithms).default('p256'),
  protocolVersion: z.union([z.literal(4), z.literal(5)]).default(5),
  renew: z.boolean().default(false),
  newKeys: z.boolean().default(false),
}

const FleetSettings = z.object({ ...settings, claim: z.string() })
const ProcessSettings = z.strictObject({ ...settings, claimFile: z.string() })

export type FleetSettings = z.output<typeof FleetSettings>
export type FleetOptions = z.input<typeof FleetSettings> & {
  signal?: AbortSignal | undefined
  onEvent?: ((event: FleetEvent) => void) | undefined
}

export function parseSettings(options: z.input<typeof FleetSettings>): FleetSettings {
  return FleetSettings.parse(options)
}

/** The options of a fleet that runs as a process of its own: JSON with the path of the claim. */
export async function loadSettings(json: string): Promise<FleetSettings> {
  const { claimFile, ...rest } = ProcessSettings.parse(JSON.parse(json))
  return { ...rest, claim: (await readFile(claimFile, 'utf8')).trim() }
}

/** Positions of the devices to play: those whose names are skipped are left out, and later ones take their place. */
export function listPositions({ devices, prefix, skip }: FleetSettings): number[] {
  const skipped = new Set(skip)
  const positions: number[] = []
  for (let index = 0; positions.length < devices; index += 1)
    if (!skipped.has(nameDevice(prefix, index))) positions.push(index)
  return positions
}

export function nameDevice(prefix: string, index: number): string {
  return Name.parse(`${prefix}-${String(index + 1).padStart(4, '0')}`)
}
