import { type ErrorCode, MusterError, type Problem, problemType } from '@muster/contracts'
import { isDatabaseUnavailable } from '@muster/db'
import type { ErrorHandler } from 'hono'
import { HTTPException } from 'hono/http-exception'
import type { ContentfulStatusCode } from 'hono/utils/http-status'
import type { Logger } from 'pino'
import type { ZodError } from 'zod'
import { RateLimited } from './enrolment/limits.ts'
import { describeIssues } from './http/describe-issues.ts'
import type { AppEnv } from './http/env.ts'

/** How each refusal is told over HTTP; the only place with status numbers of errors. */
export const problems: Readonly<Record<ErrorCode, { status: ContentfulStatusCode; title: string }>> = {
  'request-invalid': { status: 400, title: 'The request is not valid' },
  'request-too-large': { status: 413, title: 'The request is too large' },
  'not-found': { status: 404, title: 'There is nothing here' },
  'method-not-allowed': { status: 405, title: 'The method is not allowed here' },
  'media-type-unsupported': { status: 415, title: 'The content type is not supported' },
  'not-authenticated': { status: 401, title: 'Authentication is needed' },
  forbidden: { status: 403, title: 'This is not permitted' },
  'rate-limited': { status: 429, title: 'Too many refused requests' },
  conflict: { status: 409, title: 'The request is in conflict with what there is' },
  'quota-exceeded': { status: 507, title: 'There is no room for it' },
  unavailable: { status: 503, title: 'The service is not available at the moment' },
  internal: { status: 500, title: 'An unexpected error' },

  'claim-invalid': { status: 403, title: 'The claim is not valid' },
  'claim-expired': { status: 403, title: 'The claim has expired' },
  'claim-exhausted': { status: 403, title: 'The claim is used up' },
  'claim-key-mismatch': { status: 403, title: 'The claim is bound to another key' },
  'claim-network': { status: 403, title: 'The claim is not for this network' },
  'csr-invalid': { status: 400, title: 'The certificate signing request is not valid' },
  'key-not-allowed': { status: 400, title: 'The key is not allowed' },
  'key-in-use': { status: 409, title: 'The key belongs to another device' },
  'device-name-missing': { status: 400, title: 'The device must name itself' },
  'device-name-mismatch': { status: 403, title: 'The claim is for another device' },
  'device-taken': { status: 409, title: 'The device is enrolled with another key' },
  'device-rejected': { status: 403, title: 'The device was rejected' },
  'certificate-expired': { status: 403, title: 'The certificate has expired' },

  'fleet-not-found': { status: 404, title: 'There is no such fleet' },
  'claim-not-found': { status: 404, title: 'There is no such claim' },
  'device-not-found': { status: 404, title: 'There is no such device' },
  'device-revoked': { status: 403, title: 'The device is revoked' },
  'device-retired': { status: 403, title: 'The device is retired' },
  'device-suspended': { status: 403, title: 'The device is suspended' },
  'device-pending': { status: 403, title: 'The device waits for approval' },
  'group-not-found': { status: 404, title: 'There is no such group' },
  'policy-in-use': { status: 409, title: 'The policy is attached' },
  'change-not-found': { status: 404, title: 'There is no such change' },
  'policy-not-found': { status: 404, title: 'There is no such policy' },
  'revocation-not-found': { status: 404, title: 'There is no such revocation' },
  'issuer-not-found': { status: 404, title: 'There is no such issuer' },
  'issuer-in-use': { status: 409, title: 'Certificates depend on the issuer' },
  'issuer-not-trusted': { status: 409, title: 'Not every broker trusts the issuer yet' },
  'certificate-superseded': { status: 403, title: 'The certificate was replaced' },
  'proof-invalid': { status: 403, title: 'The proof of possession is not valid' },
  'csr-subject-mismatch': { status: 400, title: 'The request asks for another subject' },
  'transition-not-allowed': { status: 409, title: 'The device is not in a state for this' },

  'tls-required': { status: 400, title: 'TLS is needed' },
  'proxy-header': { status: 400, title: 'The PROXY header is not in order' },
  'certificate-missing': { status: 401, title: 'A client certificate is needed' },
  'certificate-untrusted': { status: 403, title: 'The certificate is not trusted' },
  'certificate-subject': { status: 403, title: 'The certificate names nobody' },
  'certificate-not-yet-valid': { status: 403, title: 'The certificate is not valid yet' },
  'certificate-unknown': { status: 403, title: 'The certificate is not in the registry' },
  'certificate-revoked': { status: 403, title: 'The certificate is revoked' },
  'client-id-mismatch': { status: 403, title: 'The client id is not the device' },
  'packet-malformed': { status: 400, title: 'The packet is malformed' },
  'protocol-error': { status: 400, title: 'The packet is not allowed there' },
  'certificate-cloned': { status: 403, title: 'The certificate is used in two places' },
  'tls-version': { status: 400, title: 'The TLS version is too old' },
  'tls-no-shared-cipher': { status: 400, title: 'No TLS cipher suite in common' },
  'tls-server-rejected': { status: 400, title: 'The client does not trust the server' },
  'tls-handshake-timeout': { status: 408, title: 'The TLS handshake took too long' },
  'tls-aborted': { status: 400, title: 'The client went away during the TLS handshake' },
  'tls-failed': { status: 400, title: 'The TLS handshake failed' },
  'publish-denied': { status: 403, title: 'Publishing there is denied' },
  'subscribe-denied': { status: 403, title: 'Subscribing there is denied' },
  'will-denied': { status: 403, title: 'The will is denied' },
}

const databaseRetrySeconds = 5

/** The one place where an error becomes an answer, and where what nobody expected is logged. */
export function createErrorHandler(log: Logger): ErrorHandler<AppEnv> {
  return (error, c) => {
    const refusal = toRefusal(error)
    const { status } = problems[refusal.code]
    const instance = c.get('requestId')
    if (refusal.code === 'internal') log.error({ err: error, requestId: instance }, 'unexpected error')
    if (refusal.code === 'unavailable') c.header('Retry-After', String(databaseRetrySeconds))
    if (refusal instanceof RateLimited) c.header('Retry-After', String(refusal.retryAfterSeconds))
    const challenge = status === 401 && challengeAt(c.req.path, refusal.code)
    if (challenge) c.header('WWW-Authenticate', challenge)
    c.set('refusal', refusal)
    const problem = describeProblem(refusal, instance)
    return c.body(JSON.stringify(problem), status, { 'content-type': 'application/problem+json' })
  }
}

/** EST devices have their claim (RFC 7030 §3.2.3), operators a token; for mutual TLS no scheme is registered. */
function challengeAt(path: string, code: ErrorCode): string | undefined {
  if (path.startsWith('/.well-known/est/')) return 'Basic realm="muster"'
  return code === 'not-authenticated' ? 'Bearer' : undefined
}

export function describeProblem(refusal: MusterError, instance: string): Problem {
  const { status, title } = problems[refusal.code]
  return {
    type: problemType(refusal.code),
    title,
    status,
    detail: refusal.detail,
    instance,
    ...(refusal instanceof InvalidRequest && { errors: refusal.errors }),
  }
}

function toRefusal(error: Error): MusterError {
  if (error instanceof MusterError) return error
  if (error instanceof HTTPException && error.status === 415)
    return new MusterError('media-type-unsupported', 'the body must be application/json', { cause: error })
  if (error instanceof HTTPException && error.status < 500)
    return new MusterError('request-invalid', 'the body is not JSON', { cause: error })
  if (isDatabaseUnavailable(error))
    return new MusterError('unavailable', 'the registry cannot be reached at the moment', { cause: error })
  return new MusterError('internal', 'the error is logged under the request id', { cause: error })
}

/** What zod found, by JSON pointer. */
export class InvalidRequest extends MusterError {
  readonly errors: NonNullable<Problem['errors']>

  constructor(target: string, error: ZodError) {
    super('request-invalid', target === 'json' ? 'the body does not fit the schema' : `the ${target} is not valid`)
    this.errors = describeIssues(error.issues)
  }
}
