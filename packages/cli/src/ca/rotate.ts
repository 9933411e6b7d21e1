import { Issuer } from '@muster/contracts'
import { notify, printFields, printRows } from '../io.ts'
import { formatInstant } from '../output/format.ts'
import { type Cli, type GlobalOptions, openOperatorApi } from '../settings.ts'

const pathOf = (name: string) => `/v1/issuers/${encodeURIComponent(name)}`

export async function listIssuers(cli: Cli, options: GlobalOptions): Promise<void> {
  using api = await openOperatorApi(cli, options)
  printRows(cli.io, options, await api.list('/v1/issuers', Issuer), {
    name: (issuer) => issuer.name,
    kind: (issuer) => issuer.kind,
    state: (issuer) => issuer.state,
    certificates: ({ kind, certificates, confirmedBy }) =>
      kind === 'root' ? `${confirmedBy} devices confirmed` : kind === 'issuing' ? String(certificates) : '',
    'trusted by': (issuer) => issuer.trustedBy.map(({ node }) => node).join(','),
    missing: (issuer) => issuer.missing.join(','),
    ends: (issuer) => formatInstant(issuer.notAfter),
  })
}

export async function prepareIssuer(
  cli: Cli,
  options: GlobalOptions & { root?: boolean },
  name: string,
): Promise<void> {
  using api = await openOperatorApi(cli, options)
  const kind = options.root ? 'root' : 'issuing'
  show(cli, options, await api.post('/v1/issuers', { name, kind }, Issuer))
}

export async function activateIssuer(
  cli: Cli,
  options: GlobalOptions & { renewWithin?: number },
  name: string,
): Promise<void> {
  const { renewWithin } = options
  using api = await openOperatorApi(cli, options)
  show(cli, options, await api.post(`${pathOf(name)}/activate`, { renewWithin }, Issuer))
}

export async function retireIssuer(
  cli: Cli,
  options: GlobalOptions & { force?: boolean },
  name: string,
): Promise<void> {
  using api = await openOperatorApi(cli, options)
  show(cli, options, await api.post(`${pathOf(name)}/retire`, { force: options.force ?? false }, Issuer))
}

function show(cli: Cli, options: GlobalOptions, issuer: Issuer): void {
  const { name, state, missing } = issuer
  const waiting = state === 'prepared' && missing.length > 0
  if (options.json) printFields(cli.io, options, issuer, {})
  else notify(cli.io, `${name} is ${state}${waiting ? `; not trusted yet by ${missing.join(', ')}` : ''}`)
}
