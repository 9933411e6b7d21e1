import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { expect, test, vi } from 'vitest'
import { measureProcesses } from './measure-processes.ts'

test('a process with what it has started: what it has used since, also when a child has ended', async () => {
  const busy = `while (process.cpuUsage().user < 1_000_000); process.stdin.once('data', () => process.exit()).resume()`
  const parent = `const child = require('node:child_process').spawn(process.execPath, ['-e', ${JSON.stringify(busy)}], { stdio: ['pipe', 'inherit', 'inherit'] })
    process.stdin.once('data', () => { child.stdin.write('end'); child.once('exit', () => console.log('ended')) })`
  const child = spawn(process.execPath, ['-e', parent], { stdio: ['pipe', 'pipe', 'inherit'] })
  try {
    await using measuring = await measureProcesses([{ name: 'both', pid: child.pid ?? 0 }])
    const used = () => measuring.list()[0]
    await vi.waitFor(() => expect(used()?.cpuMs).toBeGreaterThan(500), { timeout: 20_000 })
    expect(used()).toMatchObject({ name: 'both', pid: child.pid })
    expect(used()?.rssPeakBytes).toBeGreaterThan(20_000_000)
    const before = used()?.cpuMs ?? 0
    child.stdin.write('end')
    await once(child.stdout, 'data')
    expect(used()?.cpuMs).toBeGreaterThanOrEqual(before)
  } finally {
    child.kill('SIGKILL')
  }
})

test('a process by its metrics; one that does not answer is left out', async () => {
  let seconds = 100
  const server = createServer((_, answer) => {
    answer.end(
      `# TYPE process_cpu_seconds_total counter\nprocess_cpu_seconds_total ${seconds}\nprocess_resident_memory_bytes 5000\n`,
    )
    seconds += 1
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const metrics = `http://127.0.0.1:${(server.address() as AddressInfo).port}/metrics`
  {
    await using measuring = await measureProcesses([
      { name: 'broker', metrics },
      { name: 'gone', metrics: 'http://127.0.0.1:1/metrics' },
    ])
    await vi.waitFor(() => expect(measuring.list()[0]?.cpuMs).toBeGreaterThanOrEqual(1_000), { timeout: 20_000 })
    expect(measuring.list()).toEqual([
      expect.objectContaining({ name: 'broker', rssPeakBytes: 5_000, host: '127.0.0.1' }),
    ])
  }
  server.close()
})
