import { availableParallelism, cpus, release, totalmem, type } from 'node:os'
import type { RunReport } from '../report/run-report.ts'

export function describeMachine(): RunReport['machine'] {
  return {
    cpus: availableParallelism(),
    model: cpus()[0]?.model ?? 'unknown',
    memoryBytes: totalmem(),
    node: process.version,
    os: `${type()} ${release()}`,
  }
}
