import { CliError, exitCodes } from '../exit.ts'

const untrusted = new Set([
  'SELF_SIGNED_CERT_IN_CHAIN',
  'DEPTH_ZERO_SELF_SIGNED_CERT',
  'UNABLE_TO_GET_ISSUER_CERT',
  'UNABLE_TO_GET_ISSUER_CERT_LOCALLY',
  'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
  'CERT_SIGNATURE_FAILURE',
])

const advice: Record<string, string> = {
  ECONNREFUSED: 'is `muster up` running? --url or MUSTER_API_URL name another address',
  ENOTFOUND: 'the name is not known; --url or MUSTER_API_URL name another address',
  ETIMEDOUT: 'the address does not answer; `muster doctor` looks for the cause',
  ECONNRESET: 'the connection was cut; is `muster up` just starting or stopping?',
  EPROTO: 'something else than Muster listens there',
  CERT_HAS_EXPIRED: "the server's certificate has expired, or this machine's clock is wrong",
  CERT_NOT_YET_VALID: "the server's certificate is not valid yet: this machine's clock is wrong",
  ERR_TLS_CERT_ALTNAME_INVALID: "the server's certificate does not carry this name: set MUSTER_PUBLIC_HOST to it",
}

/** One line for a connection that did not come about, with what to look at. */
export function describeUnreachable(target: URL, cause: Error & { code?: string }): CliError {
  const code = cause.code ?? ''
  const hint = untrusted.has(code)
    ? 'its certificate does not come from <data>/ca/root.crt; --data or --ca name another root'
    : (advice[code] ?? '`muster doctor` looks for the cause')
  const reason = code || cause.message
  return new CliError(`cannot reach ${target.origin} (${reason})`, { exitCode: exitCodes.unreachable, hint, cause })
}
