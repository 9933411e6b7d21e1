import { setTimeout as delay } from 'node:timers/promises'
import { AcceptedRevocation, Revocation, type RevocationReason } from '@muster/contracts'
import type { Api } from '../api/client.ts'
import { CliError } from '../exit.ts'
import { notify, print, printRows } from '../io.ts'
import { type Cli, findFleet, type GlobalOptions, openOperatorApi } from '../settings.ts'
import { devicePath } from './path.ts'

interface RevokeOptions extends GlobalOptions {
  reason: RevocationReason
  wait?: boolean
}

// A broker that does not answer has its lease run out within a minute, and is not waited for any more.
const patienceMs = 90_000

export async function revokeDevice(cli: Cli, options: RevokeOptions, id: string): Promise<void> {
  const query = { fleet: findFleet(cli, options) }
  using api = await openOperatorApi(cli, options)
  const accepted = await api.post(`${devicePath(id)}/revoke`, { reason: options.reason }, AcceptedRevocation, query)
  if (!options.wait) {
    if (options.json) print(cli.io, JSON.stringify(accepted, null, 2))
    else notify(cli.io, `${id} is revoked (revocation ${accepted.revocation})`)
    return
  }
  const revocation = await waitForReceipts(api, accepted.revocation, patienceMs)
  if (options.json) return print(cli.io, JSON.stringify(revocation, null, 2))
  notify(cli.io, `${id} is revoked`)
  if (revocation.nodes.length === 0) return notify(cli.io, 'no broker is running that could hold a connection')
  printRows(cli.io, options, revocation.nodes, {
    node: (receipt) => receipt.node,
    after: (receipt) => `${millisecondsBetween(revocation.at, receipt.at)} ms`,
    'connections closed': (receipt) => String(receipt.connectionsClosed),
    'session purged': (receipt) => (receipt.sessionPurged ? 'yes' : 'none'),
  })
}

/** @throws CliError when a broker that may hold a session stays silent */
export async function waitForReceipts(api: Api, id: string, withinMs: number): Promise<Revocation> {
  const path = `/v1/revocations/${encodeURIComponent(id)}`
  for (const until = performance.now() + withinMs; ; await delay(20)) {
    const revocation = await api.get(path, Revocation)
    if (revocation.complete) return revocation
    if (performance.now() > until)
      throw new CliError(`revoked, but not every broker has answered yet (revocation ${id})`, {
        hint: 'a broker that cannot reach the database closes all its connections within a minute',
      })
  }
}

export function millisecondsBetween(from: string, to: string): number {
  return new Date(to).getTime() - new Date(from).getTime()
}
