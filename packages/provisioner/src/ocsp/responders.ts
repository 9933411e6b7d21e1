import type { X509Certificate } from 'node:crypto'
import { platformFleet } from '@muster/contracts'
import { recordAudit, responders } from '@muster/db'
import {
  certificateFingerprint,
  createOcspResponder,
  type Issuer,
  isIssuedBy,
  type OcspCertId,
  type OcspIssuerHashes,
  type OcspResponder,
  ocspIssuerHashes,
} from '@muster/pki'
import type { Deps } from '../context.ts'

export interface IssuerResponder {
  issuer: string
  /** The issuer's. */
  certificate: X509Certificate
  hashes: OcspIssuerHashes
  responder: OcspResponder
}

/** Who answers for which issuer. */
export interface Responders extends Disposable {
  /** For the issuer that a request names. */
  find(certId: OcspCertId): IssuerResponder | undefined
  list(): readonly IssuerResponder[]
}

/** Clients' clocks run behind. */
const backdateMs = 3_600_000
const checkMs = 60_000

/** A key and a certificate for each issuer that is not retired; new ones long before the old ones end. */
export async function openResponders(
  deps: Pick<Deps, 'db' | 'issuers' | 'log' | 'now'>,
  node: string,
): Promise<Responders> {
  const { issuers, log, now } = deps
  const current = new Map<string, IssuerResponder>()

  const isFresh = ({ responder: { certificate } }: IssuerResponder) => {
    const { validFromDate: from, validToDate: to } = certificate
    return now().getTime() < (from.getTime() + to.getTime()) / 2
  }

  async function ensure(): Promise<void> {
    for (const { name, kind } of issuers.rows) {
      const issuer = kind === 'issuing' ? issuers.find(name) : undefined
      const known = current.get(name)
      if (!issuer) current.delete(name)
      else if (!known || !isFresh(known)) {
        const responder = await issueResponder(deps, issuer, node)
        const { certificate } = issuer
        current.set(name, { issuer: name, certificate, hashes: ocspIssuerHashes(certificate), responder })
      }
    }
  }

  let queue = ensure()
  await queue
  const check = () => {
    queue = queue.then(ensure).catch((err) => log.error({ err }, 'the OCSP responder could not be renewed'))
  }
  issuers.onChange(check)
  const timer = setInterval(check, checkMs).unref()
  return {
    find: (certId) => [...current.values()].find(({ hashes }) => isIssuedBy(certId, hashes)),
    list: () => [...current.values()],
    [Symbol.dispose]: () => clearInterval(timer),
  }
}

/** It is in use only after it is on record: nothing that an issuing CA has signed is unknown. */
async function issueResponder({ db, now }: Pick<Deps, 'db' | 'now'>, issuer: Issuer, node: string) {
  const at = now()
  const responder = await createOcspResponder(issuer, { notBefore: new Date(at.getTime() - backdateMs) })
  const { raw, serialNumber, validFromDate: notBefore, validToDate: notAfter } = responder.certificate
  const serial = serialNumber.toLowerCase()
  const row = { serial, issuer: issuer.name, node, fingerprint: certificateFingerprint(raw), der: raw }
  await db.transaction(async (tx) => {
    await tx.insert(responders).values({ ...row, notBefore, notAfter })
    const detail = { serial, issuer: issuer.name, notAfter }
    const entry = { actor: node, action: 'responder.issue', fleet: platformFleet, subject: node }
    await recordAudit(tx, { ...entry, detail, at })
  })
  return responder
}
