import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { startTestBroker, startTestProvisioner, type TestBroker, type TestProvisioner } from '@muster/device/testing'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import type { FleetEvent } from './fleet/events.ts'

const entry = join(import.meta.dirname, 'main.ts')
let server: TestProvisioner
let broker: TestBroker
let directory: string
let settings: Record<string, unknown>
beforeEach(async () => {
  server = await startTestProvisioner({ shared: true })
  broker = await startTestBroker(server.ca)
  server.mqttUrl = broker.url
  directory = await mkdtemp(join(tmpdir(), 'muster-sim-'))
  const claimFile = join(directory, 'claim')
  await writeFile(claimFile, `${server.claim}\n`)
  settings = { url: server.url, claimFile, devices: 3, intervalMs: 50 }
})
afterEach(async () => {
  await server[Symbol.asyncDispose]()
  await broker[Symbol.asyncDispose]()
  await rm(directory, { recursive: true })
})

function start(): { child: ChildProcess; events: FleetEvent[] } {
  const events: FleetEvent[] = []
  const child = fork(entry, { env: { MUSTER_SIM: JSON.stringify(settings) }, stdio: 'pipe' })
  child.on('message', (event: FleetEvent) => events.push(event))
  return { child, events }
}

const patient = { timeout: 30_000 }
const untilPublished = (events: FleetEvent[]) =>
  vi.waitFor(() => expect(events.filter(({ type }) => type === 'published')).toHaveLength(3), patient)

test.each(['SIGTERM', 'SIGINT', 'disconnect'] as const)(
  'as a process it tells what happens, and ends cleanly on %s',
  async (end) => {
    const { child, events } = start()
    await untilPublished(events)
    const exited = once(child, 'exit')
    const goodbyes = broker.connections.map(({ socket }) => once(socket, 'close'))
    if (end === 'disconnect') child.disconnect()
    else child.kill(end)
    expect(await exited).toEqual([0, null])
    await Promise.all(goodbyes)
    expect(broker.goodbyes).toBe(3)
    if (end !== 'disconnect') expect(events.at(-1)?.type).toBe('summary')
  },
)

test('the claim is in no event', async () => {
  server.script.enrol.push(({ reply }) => reply(503, ''))
  const { child, events } = start()
  await untilPublished(events)
  const exited = once(child, 'exit')
  child.kill()
  await exited
  expect(JSON.stringify(events)).not.toContain(server.claim.split('.')[2])
})
