import { AttachedPolicy, type Policy, PolicyRecord } from '@muster/contracts'
import { stringify } from 'yaml'
import { notify, print, printRows } from '../io.ts'
import { formatInstant } from '../output/format.ts'
import { type Cli, findFleet, type GlobalOptions, openOperatorApi } from '../settings.ts'
import { policyPath } from './path.ts'

export async function listPolicies(cli: Cli, options: GlobalOptions): Promise<void> {
  using api = await openOperatorApi(cli, options)
  const policies = await api.list('/v1/policies', PolicyRecord, { fleet: findFleet(cli, options) })
  const filters = ({ document }: { document: Policy }, kind: 'publish' | 'subscribe') =>
    document.allow.reduce((count, rule) => count + (kind in rule ? Object(rule)[kind].length : 0), 0)
  printRows(cli.io, options, policies, {
    name: (policy) => policy.name,
    version: (policy) => (policy.version === null ? 'preset' : String(policy.version)),
    'may publish': (policy) => `${filters(policy, 'publish')} filters`,
    'may subscribe': (policy) => `${filters(policy, 'subscribe')} filters`,
    subscriptions: (policy) => `${policy.document.limits.subscriptions} at most`,
    saved: (policy) => formatInstant(policy.savedAt),
    by: (policy) => policy.savedBy ?? '',
  })
}

/** As a file that can be changed and saved again. */
export async function showPolicy(cli: Cli, options: GlobalOptions & { version?: number }, name: string): Promise<void> {
  const { version } = options
  using api = await openOperatorApi(cli, options)
  const query = { fleet: findFleet(cli, options) }
  if (version !== undefined) {
    const record = await api.get(`${policyPath(name)}/versions/${version}`, PolicyRecord, query)
    return print(cli.io, options.json ? JSON.stringify(record, null, 2) : stringify(record.document).trimEnd())
  }
  const policy = await api.get(policyPath(name), AttachedPolicy, query)
  if (options.json) return print(cli.io, JSON.stringify(policy, null, 2))
  print(cli.io, stringify(policy.document).trimEnd())
  const { fleet, groups, claims, devices } = policy.attached
  const places = [
    ...(fleet ? ['the fleet'] : []),
    ...groups.map((group) => `group ${group}`),
    ...(claims > 0 ? [`${claims} claims`] : []),
    ...(devices > 0 ? [`${devices} devices`] : []),
  ]
  const which = policy.version === null ? 'a preset' : `version ${policy.version}`
  notify(cli.io, `${which}, attached to ${places.length > 0 ? places.join(', ') : 'nothing'}`)
}

export async function listVersions(cli: Cli, options: GlobalOptions, name: string): Promise<void> {
  using api = await openOperatorApi(cli, options)
  const query = { fleet: findFleet(cli, options) }
  printRows(cli.io, options, await api.list(`${policyPath(name)}/versions`, PolicyRecord, query), {
    version: (record) => String(record.version),
    saved: (record) => formatInstant(record.savedAt),
    by: (record) => record.savedBy ?? '',
    rules: ({ document }) => `${document.allow.length} allow, ${document.deny.length} deny`,
  })
}
