/**
 * Malformed packets by the million: `node tests/bench/fuzz.ts [packets] [connections] [seed]`. The same tests as in CI with more
 * rounds: most packets go to the decoder, a tenth as many streams to the broker in memory, and so many connections over TLS.
 */
import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { root } from '../harness/process.ts'

const [packets = '1000000', connections = '5000', seed = '4'] = process.argv.slice(2)
const run = (project: string, file: string) =>
  spawnSync(join(root, 'node_modules/.bin/vitest'), ['run', '--project', project, file], {
    cwd: root,
    stdio: 'inherit',
    env: { ...process.env, MUSTER_FUZZ: packets, MUSTER_FUZZ_SOCKETS: connections, MUSTER_FUZZ_SEED: seed },
  }).status

const begun = performance.now()
// The second runs whatever the first has found.
const statuses = [
  run('process', 'packages/broker/src/mqtt/guard/fuzz.process.test.ts'),
  run('e2e', 'tests/conformance/fuzz.test.ts'),
]
const took = `${Math.round((performance.now() - begun) / 1_000)} s, seed ${seed}`
const hasPassed = statuses.every((status) => status === 0)
if (hasPassed) console.log(`passed: no crash, no leak, no connection left, nothing beyond the policy (${took})`)
else console.log(`FAILED: what failed is above (${took})`)
process.exitCode = hasPassed ? 0 : 1
