/**
 * A scenario on our broker and on Mosquitto, one after the other: the same devices, certificates, phases and faults of the network.
 * `node tests/bench/scenario-beside-mosquitto.ts [scenario=reconnect-storm] [devices=500] [time=0.2] [folder for the reports]`
 * Loopback only; what needs Muster is left out on both. Prints a Markdown table; ends with 1 where a run has failed.
 */
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import type { RunReport } from '@muster/device-sim'
import { startPlatform } from '../harness/platform.ts'
import { root, startProcess } from '../harness/process.ts'
import { startMosquitto } from './mosquitto.ts'

const [scenario = 'reconnect-storm', devices = '500', time = '0.2', reports] = process.argv.slice(2)
await using platform = await startPlatform()
const [node] = platform.nodes
const [server] = await platform.enrol(['mosquitto'], { fleet: 'muster', group: 'brokers', profile: 'server' })
if (!server || !node) throw new Error('the platform is not whole')
await using mosquitto = await startMosquitto({ ca: platform.ca, ...server })

const directory = await mkdtemp(join(tmpdir(), 'muster-beside-'))
const certificates = join(directory, 'certificates')
await mkdir(certificates)
const names = Array.from({ length: Number(devices) }, (_, index) => `device-${String(index + 1).padStart(5, '0')}`)
for (const { id, cert, key } of await platform.enrol(names)) {
  await writeFile(join(certificates, `${id}.crt`), cert)
  await writeFile(join(certificates, `${id}.key`), key, { mode: 0o600 })
}
await writeFile(join(directory, 'ca.pem'), platform.ca)

try {
  const { postmaster } = platform.pids
  const muster = await play('muster', node.port, [`broker=${node.pid}`, `postgresql=${postmaster}`])
  const other = await play('mosquitto', mosquitto.port, [`broker=${mosquitto.pid}`])
  print(muster, other)
  if (!muster.verdict.passed || !other.verdict.passed) process.exitCode = 1
} finally {
  await rm(directory, { recursive: true })
}

async function play(name: string, port: number, processes: readonly string[]): Promise<RunReport> {
  const report = join(reports === undefined ? directory : resolve(reports), name)
  const size = ['--devices', devices, '--time', time]
  const broker = ['--broker', `mqtts://localhost:${port}`, '--ca', join(directory, 'ca.pem')]
  const measured = processes.flatMap((one) => ['--process', one])
  const args = ['sim', 'run', scenario, ...size, ...broker, '--certificates', certificates, ...measured]
  process.stderr.write(`${scenario} on ${name}\n`)
  const running = startProcess(process.execPath, [join(root, 'packages/cli/src/main.ts'), ...args, '--report', report])
  const code = await running.exited()
  if (code !== 0) process.stderr.write(running.output())
  return JSON.parse(await readFile(join(report, 'report.json'), 'utf8'))
}

function print(muster: RunReport, other: RunReport): void {
  const both = [muster, other] as const
  const row = (what: string, figures: readonly string[]) => console.log(`| ${[what, ...figures].join(' | ')} |`)
  const latency = (name: 'connect' | 'resume' | 'publish', percentile: 'p50' | 'p99') =>
    row(
      `${name} ${percentile}`,
      both.map(({ latencies }) => `${latencies[name]?.percentiles[percentile].toFixed(1) ?? '–'} ms`),
    )
  const used = (name: string, what: 'cpuMs' | 'rssPeakBytes') => (report: RunReport) => {
    const found = report.processes.find((one) => one.name === name)
    if (!found) return '–'
    return what === 'cpuMs'
      ? `${(found.cpuMs / 1_000).toFixed(1)} s`
      : `${Math.round(found.rssPeakBytes / 1_048_576)} MiB`
  }
  row(`${scenario}, ${devices} devices`, ['Muster', 'Mosquitto'])
  row('---', ['---', '---'])
  row(
    'verdict',
    both.map(({ verdict }) => (verdict.passed ? 'passed' : verdict.reasons.join('; '))),
  )
  row(
    'connections, messages acknowledged',
    both.map(({ totals }) => `${totals.connections}, ${totals.acknowledged}`),
  )
  for (const name of ['connect', 'resume', 'publish'] as const)
    for (const at of ['p50', 'p99'] as const) latency(name, at)
  row('CPU of the broker', both.map(used('broker', 'cpuMs')))
  row('CPU of its database', both.map(used('postgresql', 'cpuMs')))
  row('memory of the broker, peak', both.map(used('broker', 'rssPeakBytes')))
}
