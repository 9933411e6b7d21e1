import { type ErrorCode, MusterError } from '@muster/contracts'

/** What OpenSSL and Node call a handshake that failed, and what it means. */
const meanings: readonly (readonly [code: ErrorCode, pattern: RegExp, why: string])[] = [
  ['tls-required', /^ERR_SSL_HTTPS?_(PROXY_)?REQUEST$/, 'plain HTTP was sent to the TLS port'],
  ['tls-required', /^ERR_SSL_WRONG_VERSION_NUMBER$/, 'what was sent is not TLS: plain MQTT, perhaps'],
  [
    'tls-version',
    /UNSUPPORTED_PROTOCOL|VERSION_TOO_LOW|WRONG_SSL_VERSION|ALERT_PROTOCOL_VERSION/,
    'TLS 1.2 or 1.3 is needed',
  ],
  [
    'tls-no-shared-cipher',
    /NO_SHARED_CIPHER|NO_SUITABLE_KEY_SHARE|NO_SHARED_(GROUPS|SIGNATURE)|NO_SUITABLE_(SIGNATURE|GROUPS)|ALERT_HANDSHAKE_FAILURE/,
    'nothing in common',
  ],
  [
    'tls-server-rejected',
    /ALERT_(UNKNOWN_CA|BAD_CERTIFICATE|CERTIFICATE_(UNKNOWN|EXPIRED|REVOKED)|UNSUPPORTED_CERTIFICATE|ACCESS_DENIED)/,
    'the client does not accept the certificate of this broker',
  ],
  ['tls-handshake-timeout', /^ERR_TLS_HANDSHAKE_TIMEOUT$/, 'no complete TLS handshake came in time'],
  [
    'tls-aborted',
    /^(ECONNRESET|EPIPE|ECONNABORTED|ERR_STREAM_PREMATURE_CLOSE)$/,
    'the client went away in the midst of it',
  ],
]

/** The code of ours for a failed handshake; the labels of a metric, so there are as many as stand above. */
export function explainHandshake(error: Error & { code?: string; reason?: string }): MusterError {
  const { code = '', reason = '' } = error
  const found = meanings.find(([, pattern]) => pattern.test(code))
  if (!found) return new MusterError('tls-failed', `OpenSSL says: ${reason || code || 'nothing'}`, { cause: error })
  return new MusterError(found[0], reason ? `${found[2]} (${reason})` : found[2], { cause: error })
}
