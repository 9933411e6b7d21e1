import { formatBytes, formatCount, formatShare, formatSpan } from '../format.ts'
import { type Html, html } from '../html.ts'
import type { RunReport } from '../run-report.ts'
import { type Column, firstOf, renderTable } from '../table.ts'

const columns: Column[] = [
  { title: 'Process' },
  { title: 'Host' },
  { title: 'PID', number: true },
  { title: 'CPU', number: true },
  { title: 'of a core', number: true },
  { title: 'Memory, peak', number: true },
  { title: 'per device', number: true },
]

export function renderProcesses({ processes, elapsedMs }: RunReport): Html {
  if (processes.length === 0) return html`<p class="note">No process was measured.</p>`
  const { shown, more } = firstOf(processes, 100)
  const rows = shown.map(({ name, host, pid, cpuMs, rssPeakBytes, perDeviceBytes }) => [
    name,
    host,
    pid > 0 ? String(pid) : '–',
    formatSpan(cpuMs),
    elapsedMs > 0 ? formatShare(cpuMs / elapsedMs) : '–',
    formatBytes(rssPeakBytes),
    perDeviceBytes === undefined ? '–' : formatBytes(perDeviceBytes),
  ])
  return html`${renderTable('Processes', columns, rows)}${more}`
}

const meanings = {
  working: 'at work, or could be at any time',
  refused: 'the platform has refused them for good',
  off: 'switched off',
  stuck: 'should be at work, and cannot get there',
} as const

export function renderEnds({ ends }: RunReport): Html {
  const all = Object.values(ends).reduce((sum, count) => sum + count, 0)
  const rows = (Object.keys(meanings) as (keyof typeof meanings)[]).map((end) => [
    end,
    formatCount(ends[end]),
    all > 0 ? formatShare(ends[end] / all) : '–',
    meanings[end],
  ])
  const columns = [
    { title: 'End' },
    { title: 'Devices', number: true },
    { title: 'Share', number: true },
    { title: 'Meaning' },
  ]
  return renderTable('Devices as they ended', columns, rows)
}
