import { execFile } from 'node:child_process'
import { createPublicKey } from 'node:crypto'
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import type { Enrolment } from '@muster/contracts'
import { generateKey, keyFingerprint } from '@muster/pki'
import { expect, test } from 'vitest'
import { enrol } from '../enrol.ts'
import { openTestDirectory } from '../testing/directory.ts'
import { type Outcome, recordDisk, restoreOutcome } from '../testing/power-cut.ts'
import { startTestProvisioner, type TestProvisioner, wellBehaved } from '../testing/provisioner.ts'
import { openStore } from './file-store.ts'

const run = promisify(execFile)
const program = fileURLToPath(new URL('../testing/interrupted-device.ts', import.meta.url))
const files = ['certificate.pem', 'enrolment.json', 'key.pem', 'roots.pem']

test('whatever a power cut leaves of the disk, the device goes on with the key that the server knows', async () => {
  await using server = await startTestProvisioner()
  await using directory = await openTestDirectory()
  const recorder = recordDisk()
  markRequests(server, recorder)
  const store = await openStore(join(directory.path, 'first'), recorder.disk)
  const enrolment = await enrol({ url: server.url, claim: server.claim, store, device: 'pump-1' })
  recorder.mark('enrolled')

  await requireNoLoss(recorder.outcomes(), server, enrolment, directory.path)
})

test('nor is it lost when its maker was killed before the name was on disk, and the power fails later', async () => {
  await using server = await startTestProvisioner()
  await using directory = await openTestDirectory()
  const path = join(directory.path, 'first')
  const recorder = recordDisk()
  const killed = new Error('killed')
  const disk = { ...recorder.disk }
  const maker = await openStore(path, disk)
  disk.syncDirectory = () => Promise.reject(killed)
  await expect(maker.addKey(await generateKey())).rejects.toBe(killed)

  markRequests(server, recorder)
  const store = await openStore(path, recorder.disk)
  const enrolment = await enrol({ url: server.url, claim: server.claim, store, device: 'pump-1' })
  recorder.mark('enrolled')
  await requireNoLoss(recorder.outcomes(), server, enrolment, directory.path)
})

function markRequests(server: TestProvisioner, recorder: ReturnType<typeof recordDisk>): void {
  server.script.enrol.push(async (exchange) => {
    recorder.mark('asked')
    await wellBehaved(exchange)
  })
}

async function requireNoLoss(outcomes: Outcome[], server: TestProvisioner, enrolment: Enrolment, directory: string) {
  expect(outcomes.length).toBeGreaterThan(20)
  for (const [index, outcome] of outcomes.entries()) {
    const path = join(directory, String(index))
    await restoreOutcome(outcome, path)
    const store = await openStore(path)
    const key = await store.loadKey()
    const stored = await store.loadEnrolment()
    expect([undefined, enrolment]).toContainEqual(stored?.enrolment)
    expect(
      (await readdir(path)).filter((name) => !files.includes(name)),
      'leftovers',
    ).toEqual([])
    if (outcome.marks.includes('enrolled')) expect(stored).toBeDefined()
    if (!outcome.marks.includes('asked')) continue
    const spki = key && createPublicKey(key).export({ type: 'spki', format: 'der' })
    expect(spki && keyFingerprint(spki)).toBe([...server.keys][0])
    expect(await enrol({ url: server.url, claim: server.claim, store, device: 'pump-1' })).toEqual(enrolment)
    expect(await readdir(path)).toEqual(files)
  }
  expect(server.keys.size).toBe(1)
}

test('killed at every step of the disk, a device ends up enrolled with its one key', { timeout: 60_000 }, async () => {
  await using directory = await openTestDirectory()
  const boot = async (fatal: number) => {
    await using server = await startTestProvisioner()
    const path = join(directory.path, String(fatal))
    const args = [program, server.url, server.claim, path, String(fatal)]
    const { stdout, signal } = await run(process.execPath, args).then(
      (done) => ({ ...done, signal: null }),
      (error: { stdout: string; signal: string | null }) => error,
    )
    if (fatal > 0) expect(signal).toBe('SIGKILL')
    await enrol({ url: server.url, claim: server.claim, store: await openStore(path), device: 'pump-1' })
    expect(server.keys.size).toBe(1)
    expect(await readdir(path)).toEqual(files)
    return Number(stdout)
  }
  const steps = await boot(0)
  expect(steps).toBeGreaterThanOrEqual(12)
  for (let fatal = 1; fatal <= steps; fatal += 3)
    await Promise.all([fatal, fatal + 1, fatal + 2].filter((step) => step <= steps).map(boot))
})
