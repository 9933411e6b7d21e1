import { setTimeout as delay } from 'node:timers/promises'
import { AcceptedRevocation } from '@muster/contracts'
import type { Api } from '../api/client.ts'
import { devicePath } from '../devices/path.ts'
import { millisecondsBetween, waitForReceipts } from '../devices/revoke.ts'
import { describeFailure } from '../exit.ts'
import type { UpContext } from '../up/context.ts'
import type { DemoReport } from './report.ts'

const patienceMs = 10_000

/** Revokes one of the devices and tells how long it stayed connected, as the device itself saw it. */
export async function revokeAndTime(up: UpContext, api: Api, report: DemoReport, devices: string[]): Promise<void> {
  const device = devices[Math.floor(devices.length / 2)]
  if (device === undefined || up.signal.aborted) return
  const { screen } = up
  try {
    const closed = report.closedAt(device)
    const asked = Date.now()
    const { revocation } = await api.post(
      `${devicePath(device)}/revoke`,
      { reason: 'keyCompromise' },
      AcceptedRevocation,
    )
    const late = delay(patienceMs, undefined, { signal: up.signal, ref: false }).catch(() => undefined)
    const at = await Promise.race([closed, late])
    screen.line(
      at === undefined
        ? `revoked ${device}, and its connection is still open`
        : `revoked ${device}: its connection was closed ${at - asked} ms after we asked for it`,
    )
    const { at: committed, nodes } = await waitForReceipts(api, revocation, patienceMs)
    const receipts = nodes.map((receipt) => `${receipt.node} after ${millisecondsBetween(committed, receipt.at)} ms`)
    screen.line(`receipts: ${receipts.join(', ') || 'none'}`)
    screen.line('the demo goes on until Ctrl-C')
  } catch (error) {
    if (!up.signal.aborted) for (const line of describeFailure(error).lines) screen.line(line)
  }
}
