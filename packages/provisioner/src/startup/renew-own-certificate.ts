import type { Server } from 'node:https'
import type { Deps } from '../context.ts'
import { tlsOptions } from '../http/listen.ts'
import { issueOwnCertificate, type OwnCertificate } from './issue-own-certificate.ts'

const checkMs = 3_600_000

/**
 * A process that runs for months gets a new server certificate after two thirds of the old one's life, and one from the
 * active issuer as soon as that is another. Connections stay as they are.
 */
export function startOwnRenewal(deps: Deps, node: string, server: Server, first: OwnCertificate): Disposable {
  let own = first
  const renew = async () => {
    if (deps.now() < own.renewAt && own.issuer === deps.issuers.active.name) return
    own = await issueOwnCertificate(deps, node)
    server.setSecureContext(tlsOptions(own.material))
    deps.log.info({ notAfter: own.notAfter, issuer: own.issuer }, 'server certificate renewed')
  }
  let queue = Promise.resolve()
  const check = () => {
    queue = queue.then(renew).catch((err) => deps.log.error({ err }, 'the server certificate could not be renewed'))
  }
  const timer = setInterval(check, checkMs).unref()
  deps.issuers.onChange(check)
  return { [Symbol.dispose]: () => clearInterval(timer) }
}
