import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { root } from './harness/process.ts'
import { startStack } from './harness/stack.ts'

test('the alert rules speak of metrics that the platform really has', async () => {
  const rules = await readFile(join(root, 'infra/prometheus/alerts.yaml'), 'utf8')
  const named = new Set(rules.match(/\bmuster_[a-z_]+/g))
  expect(named.size).toBeGreaterThanOrEqual(5)
  await using stack = await startStack()
  const { provisionerMetrics, brokerMetrics } = stack.ports
  const pages = [provisionerMetrics, brokerMetrics].map(async (port) =>
    (await fetch(`http://127.0.0.1:${port}/metrics`)).text(),
  )
  const metrics = (await Promise.all(pages)).join('\n')
  const served = new Set(metrics.match(/(?<=^# TYPE )\S+/gm))
  expect([...named].filter((name) => !served.has(name))).toEqual([])
  // Labels are part of the contract too.
  expect(metrics).toMatch(/muster_certificates_expiring\{holder="fleet",within="7d"\}/)
  expect(metrics).toMatch(/muster_server_certificate_expiry_timestamp_seconds\{name="broker-1"\}/)
})
