/**
 * All that is measured of the broker, one after the other: beside Mosquitto, revocation on one node and on three.
 * `node tests/bench/broker.ts` — about ten minutes, loopback only; prints Markdown for docs/benchmarks.md.
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'

const benches = [
  ['beside-mosquitto.ts', ...process.argv.slice(2)],
  ['revocation.ts', '--nodes', '1'],
  ['revocation.ts', '--nodes', '3'],
]
for (const [script = '', ...args] of benches) {
  console.log(`\n### \`node tests/bench/${[script, ...args].join(' ')}\`, ${new Date().toISOString().slice(0, 10)}\n`)
  const child = spawn(process.execPath, [join(import.meta.dirname, script), ...args], { stdio: 'inherit' })
  const [code] = await once(child, 'exit')
  if (code !== 0) process.exitCode = 1
}
