import type { Server } from 'node:https'
import type { Deps } from '../context.ts'
import { tlsOptions } from '../http/listen.ts'
import { issueOwnCertificate, type OwnCertificate } from './issue-own-certificate.ts'

const checkMs = 3_600_000

/** A process that runs for months gets a new server certificate after two thirds of the old one's life. */
export function startOwnRenewal(deps: Deps, node: string, server: Server, current: OwnCertificate): Disposable {
  let renewAt = current.renewAt
  const renew = async () => {
    if (deps.now() < renewAt) return
    const next = await issueOwnCertificate(deps, node)
    server.setSecureContext(tlsOptions(next.material))
    renewAt = next.renewAt
    deps.log.info({ notAfter: next.notAfter }, 'server certificate renewed')
  }
  const timer = setInterval(() => {
    renew().catch((err) => deps.log.error({ err }, 'the server certificate could not be renewed'))
  }, checkMs).unref()
  return { [Symbol.dispose]: () => clearInterval(timer) }
}
