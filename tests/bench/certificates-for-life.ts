/**
 * A fleet whose certificates live for seconds, through a CA rotation: does anybody fall out?
 * `node tests/bench/certificates-for-life.ts [devices=500] [minutes=10] [seconds a certificate lives=60]`
 * Loopback only; ends by itself; exits 1 when an invariant did not hold.
 */
import { join } from 'node:path'
import { openDb } from '@muster/db'
import { formatSummary, runFleet } from '@muster/device-sim'
import { startUp } from '../harness/up.ts'
import { waitFor } from '../harness/wait.ts'

const [devices = 500, minutes = 10, lifeSeconds = 60] = process.argv.slice(2).map(Number)
await using up = await startUp({ env: { MUSTER_CERTIFICATE_VALIDITY: `${lifeSeconds}s` } })
const begun = performance.now()
const say = (text: string) => console.log(`${((performance.now() - begun) / 1_000).toFixed(0).padStart(4)} s  ${text}`)
const ask = async (path: string, body?: unknown) => (await up.ask(path, body)).json

// The registry itself, for what no interface tells.
await using db = await openDb({
  url: `postgresql://muster_owner@localhost/muster?host=${encodeURIComponent(join(up.directory, 'pg/run'))}`,
})
const count = async (sql: string) => Number((await db.$client.query(sql)).rows[0]?.count)

const { claim } = await ask('/v1/claims', { uses: devices })
const stop = new AbortController()
const latest = { connected: 0, refused: 0, acknowledged: 0 }
const fleet = runFleet({
  url: up.url,
  claim,
  devices,
  ramp: 50,
  intervalMs: 2_000,
  renew: true,
  signal: stop.signal,
  onEvent: (event) => {
    if (event.type === 'progress') Object.assign(latest, event.counts)
  },
})
await waitFor('all connected', () => latest.connected === devices, { timeoutMs: 120_000, everyMs: 500 })
say(`${devices} devices connected, certificates live ${lifeSeconds} s`)

const until = begun + minutes * 60_000
const rotateAt = begun + (minutes * 60_000) / 3
let rotated = false
let worstOverlap = 0
let fewest = devices
while (performance.now() < until) {
  await new Promise((resolve) => setTimeout(resolve, 5_000))
  const twoActive = await count(
    `select count(*) from (select from certificates where state = 'active' group by fleet, device having count(*) > 1) two`,
  )
  worstOverlap = Math.max(worstOverlap, twoActive)
  fewest = Math.min(fewest, latest.connected)
  if (!rotated && performance.now() > rotateAt) {
    await ask('/v1/issuers', { name: 'issuing-2' })
    await waitFor(
      'every broker trusts the new CA',
      async () => (await ask('/v1/issuers/issuing-2')).missing.length === 0,
    )
    await ask('/v1/issuers/issuing-2/activate', {})
    rotated = true
    say('rotated to issuing-2')
  }
  const dependents = (await ask('/v1/issuers/issuing-1')).certificates
  say(`${latest.connected} connected, ${latest.acknowledged} acknowledged, ${dependents} certificates of issuing-1`)
}
await waitFor('nobody depends on the old CA', async () => (await ask('/v1/issuers/issuing-1')).certificates <= 2, {
  timeoutMs: 2 * lifeSeconds * 1_000,
  everyMs: 1_000,
}).catch(() => say('certificates of issuing-1 are left'))

const connectedAtEnd = latest.connected
stop.abort()
const summary = await fleet
console.log(formatSummary(summary))
const issued = await count(`select count(*) from certificates where device like 'sim-%'`)
const stored = await count('select count(*) from telemetry')
const verdict = {
  'connected at the end': [connectedAtEnd, connectedAtEnd === devices],
  'fewest connected at a look': [fewest, true],
  'refused for good': [summary.counts.refused, summary.counts.refused === 0],
  'devices with two active certificates': [worstOverlap, worstOverlap === 0],
  'certificates issued': [issued, issued > devices * 2],
  'messages acknowledged, stored': [`${summary.counts.acknowledged}, ${stored}`, stored >= summary.counts.acknowledged],
} as const
for (const [what, [figure, good]] of Object.entries(verdict)) console.log(`${good ? 'ok ' : 'BAD'} ${what}: ${figure}`)
if (Object.values(verdict).some(([, good]) => !good)) process.exitCode = 1
