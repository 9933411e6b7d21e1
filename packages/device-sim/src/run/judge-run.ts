import type { RunReport } from '../report/run-report.ts'

interface Judged extends Pick<RunReport, 'invariants' | 'slos' | 'phases' | 'processes'> {
  memoryPerDevice: number | undefined
  /** What went wrong besides. */
  problems: readonly string[]
}

/** One line for each reason against it. */
export function judgeRun(run: Judged): RunReport['verdict'] {
  const reasons = [
    ...run.problems,
    ...run.phases.flatMap(({ name, problem }, at) => (problem ? [`phase ${at + 1} (${name}): ${problem}`] : [])),
    ...run.invariants
      .filter(({ held }) => !held)
      .map(({ name, violations, examples }) => {
        const [first] = examples
        const example = first ? `: ${[first.device, first.what].filter(Boolean).join(' ')}` : ''
        return `invariant ${name}: ${violations} ${violations === 1 ? 'violation' : 'violations'}${example}`
      }),
    ...run.slos.filter(({ met }) => !met).map(({ name, wanted, found }) => `${name}: ${found}, wanted ${wanted}`),
    ...run.processes.flatMap(({ name, perDeviceBytes = 0 }) =>
      run.memoryPerDevice !== undefined && perDeviceBytes > run.memoryPerDevice
        ? [
            `${name}: ${kib(perDeviceBytes)} a device, wanted ≤ ${kib(run.memoryPerDevice)}: its figures are not to be trusted`,
          ]
        : [],
    ),
  ]
  return { passed: reasons.length === 0, reasons }
}

const kib = (bytes: number) => `${Math.round(bytes / 1_024)} KiB`
