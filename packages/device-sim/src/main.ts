import { loadSettings } from './fleet/settings.ts'
import { type FleetEvent, formatSummary, runFleet } from './index.ts'

const settings = await loadSettings(process.env.MUSTER_SIM ?? '{}')
const ending = new AbortController()
for (const event of ['SIGTERM', 'SIGINT', 'disconnect']) process.on(event, () => ending.abort())
if (process.send && !process.connected) ending.abort()

const send = (event: FleetEvent) => {
  if (process.connected) process.send?.(event)
}
const summary = await runFleet({ ...settings, signal: ending.signal, onEvent: send })
if (!process.send) process.stdout.write(formatSummary(summary))
if (process.connected) process.disconnect()
