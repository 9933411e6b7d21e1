import type { Issuer } from '@muster/pki'
import type { Issuers } from '../issuers/open.ts'

/** One issuing CA in memory that never changes. */
export function singleIssuer(issuer: Issuer): Issuers {
  const none = async () => {
    throw new Error('there is no store')
  }
  return {
    store: { open: none, createIssuer: none, createRoot: none },
    active: issuer,
    anchor: issuer.root,
    roots: [issuer.root],
    rolled: false,
    rows: [],
    lockActive: async () => issuer,
    find: (name) => (name === issuer.name ? issuer : undefined),
    chainOf: async () => issuer.chain,
    refresh: async () => {},
    onChange: () => {},
  }
}
