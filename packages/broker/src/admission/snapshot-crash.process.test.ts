import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { openClock } from '../contact/clock.ts'
import { loadSnapshot } from './load-snapshot.ts'

const freshnessMs = 300_000
const module = (path: string) => JSON.stringify(new URL(path, import.meta.url).href)

/** Admits devices and revokes every second one; a line says which of them have a receipt. */
const script = (directory: string, round: number) => `
  import { openClock } from ${module('../contact/clock.ts')}
  import { loadSnapshot } from ${module('./load-snapshot.ts')}
  const clock = openClock()
  const onError = (error) => { throw error }
  const snapshot = await loadSnapshot({ directory: ${JSON.stringify(directory)}, clock, freshnessMs: ${freshnessMs}, onError })
  const row = (device) => ({ serial: device, fingerprint: 'f', certificateState: 'active', fleet: 'f', device, profile: 'device',
    deviceState: 'active', issuerState: 'active', lateRenewalDays: 0, policy: 'p', document: null, changePending: false })
  for (let number = 0; ; number++) {
    const device = 'r${round}-' + number
    snapshot.keep({ ...row(device), readAt: clock.now() })
    snapshot.markFresh(clock.now())
    if (number % 2 === 0) continue
    await new Promise((resolve) => setTimeout(resolve, 2))
    snapshot.note({ kind: 'revoke', fleet: 'f', device })
    await snapshot.sync()
    process.stdout.write(device + '\\n')
  }`

test('killed at any moment: whoever was revoked with a receipt stays revoked, and the file is good', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'muster-snapshot-'))
  const acknowledged: string[] = []
  for (let round = 0; round < 10; round++) {
    const child = spawn(process.execPath, ['--input-type=module', '-e', script(directory, round)], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    let output = ''
    child.stdout.on('data', (chunk) => (output += chunk))
    await once(child.stdout, 'data')
    await new Promise((resolve) => setTimeout(resolve, round * 13))
    child.kill('SIGKILL')
    await once(child, 'close')
    acknowledged.push(...output.split('\n').slice(0, -1))

    const clock = openClock()
    const errors: unknown[] = []
    await using snapshot = await loadSnapshot({ directory, clock, freshnessMs, onError: (error) => errors.push(error) })
    expect(errors).toEqual([])
    expect(snapshot.heldUntil).toBeGreaterThan(clock.now())
    const states = new Set(acknowledged.map((device) => snapshot.find(device)?.deviceState))
    expect([...states]).toEqual(['revoked'])
  }
  expect(acknowledged.length).toBeGreaterThan(20)
  await rm(directory, { recursive: true })
})
