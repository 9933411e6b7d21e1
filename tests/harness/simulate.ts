import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { RunReport } from '@muster/device-sim'
import { type RunningProcess, root, startProcess } from './process.ts'
import type { Stack } from './stack.ts'

/** `muster …` against a stack, as its operator. */
export function startMuster(stack: Stack, ...args: string[]): RunningProcess {
  const { ports, data } = stack
  return startProcess(process.execPath, [join(root, 'packages/cli/src/main.ts'), ...args], {
    env: {
      PATH: process.env.PATH,
      NODE_COMPILE_CACHE: join(root, 'node_modules/.cache/compiled'),
      MUSTER_DATA: data,
      MUSTER_API_URL: `https://localhost:${ports.api}`,
      MUSTER_PROVISIONER_METRICS_PORT: String(ports.provisionerMetrics),
      MUSTER_BROKER_METRICS_PORT: String(ports.brokerMetrics),
    },
  })
}

export interface Ran {
  code: number | null
  output: string
  report: RunReport
}

/** `muster sim run …` until it ends, and the report that it has written. */
export async function simulate(stack: Stack, name: string, ...args: string[]): Promise<Ran> {
  const directory = join(stack.data, `report-${name.replaceAll('/', '-')}-${args.join('')}`)
  await using running = startMuster(stack, 'sim', 'run', name, '--report', directory, ...args)
  const code = await running.exited()
  return { code, output: running.output(), report: await readReport(directory, running.output()) }
}

export async function readReport(directory: string, output: string): Promise<RunReport> {
  const text = await readFile(join(directory, 'report.json'), 'utf8').catch((cause) => {
    throw new Error(`there is no report:\n${output}`, { cause })
  })
  return JSON.parse(text)
}
