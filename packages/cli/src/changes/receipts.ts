import { setTimeout as delay } from 'node:timers/promises'
import { ChangeReport } from '@muster/contracts'
import type { Api } from '../api/client.ts'
import { CliError } from '../exit.ts'
import { notify, print, printRows } from '../io.ts'
import { type Cli, findFleet, type GlobalOptions } from '../settings.ts'

// A broker that does not answer has its lease run out within a minute, and is not waited for any more.
const patienceMs = 90_000
const askAgainMs = 20

/** Waits until every broker has carried a change out, and shows their receipts. */
export async function reportReceipts(cli: Cli, options: GlobalOptions, api: Api, change: string | null): Promise<void> {
  if (change === null) return notify(cli.io, 'there was nothing that brokers must act on')
  const report = await waitForReceipts(api, findFleet(cli, options), change)
  if (options.json) return print(cli.io, JSON.stringify(report, null, 2))
  if (report.nodes.length === 0) return notify(cli.io, 'no broker is running that could hold a connection')
  printRows(cli.io, options, report.nodes, {
    node: (receipt) => receipt.node,
    after: (receipt) => `${new Date(receipt.at).getTime() - new Date(report.at).getTime()} ms`,
    'sessions changed': (receipt) => String(receipt.sessionsChanged),
    'subscriptions cut': (receipt) => String(receipt.subscriptionsCut),
    'connections closed': (receipt) => String(receipt.connectionsClosed),
  })
}

async function waitForReceipts(api: Api, fleet: string, change: string): Promise<ChangeReport> {
  const path = `/v1/changes/${encodeURIComponent(change)}`
  for (const until = performance.now() + patienceMs; ; await delay(askAgainMs)) {
    const report = await api.get(path, ChangeReport, { fleet })
    if (report.complete) return report
    if (performance.now() > until)
      throw new CliError(`done, but not every broker has answered yet (change ${change})`, {
        hint: 'a broker that cannot reach the database closes all its connections within a minute',
      })
  }
}
