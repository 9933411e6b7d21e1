import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { MeasuredProcess } from '@muster/device-sim'
import { type Cli, findApiUrl, findData, type GlobalOptions } from '../settings.ts'

const local = ['localhost', '127.0.0.1', '[::1]']

/** The platform's processes, where they are on this machine. */
export async function findProcesses(cli: Cli, options: GlobalOptions): Promise<MeasuredProcess[]> {
  if (!local.includes(new URL(findApiUrl(cli, options)).hostname)) return []
  const { provisionerMetrics, brokerMetrics } = cli.config.ports
  const metrics = (port: number) => `http://127.0.0.1:${port}/metrics`
  const database = await findDatabase(findData(cli, options))
  return [
    { name: 'provisioner', metrics: metrics(provisionerMetrics) },
    { name: 'broker', metrics: metrics(brokerMetrics) },
    ...(database === undefined ? [] : [{ name: 'postgresql', pid: database }]),
  ]
}

/** The one of `muster up` says in its data directory who it is. */
async function findDatabase(data: string): Promise<number | undefined> {
  const text = await readFile(join(data, 'pg/data/postmaster.pid'), 'utf8').catch(() => '')
  const pid = Number.parseInt(text, 10)
  return Number.isNaN(pid) ? undefined : pid
}
