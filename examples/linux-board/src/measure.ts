import { readFile } from 'node:fs/promises'
import { freemem, loadavg, uptime } from 'node:os'

const thermalZone = '/sys/class/thermal/thermal_zone0/temp'

export interface Reading {
  at: string
  load: number
  freeMiB: number
  uptimeSeconds: number
  /** Of the first thermal zone, in °C, where there is one. */
  temperature?: number
}

export async function measure(): Promise<Reading> {
  const [load = 0] = loadavg()
  const temperature = await readTemperature()
  return {
    at: new Date().toISOString(),
    load,
    freeMiB: Math.round(freemem() / 2 ** 20),
    uptimeSeconds: Math.round(uptime()),
    ...(temperature !== undefined && { temperature }),
  }
}

async function readTemperature(): Promise<number | undefined> {
  try {
    const milli = Number(await readFile(thermalZone, 'utf8'))
    return Number.isFinite(milli) ? milli / 1_000 : undefined
  } catch {
    // Virtual machines have none, and some sensors cannot be read at times.
    return undefined
  }
}
