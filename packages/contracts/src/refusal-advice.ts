import type { ErrorCode } from './errors.ts'

/** Codes that are answered to operators, and never recorded as a refusal of a device. */
type OfOperators =
  | 'not-found'
  | 'method-not-allowed'
  | 'media-type-unsupported'
  | 'not-authenticated'
  | 'conflict'
  | 'fleet-not-found'
  | 'claim-not-found'
  | 'device-not-found'
  | 'group-not-found'
  | 'change-not-found'
  | 'policy-in-use'
  | 'revocation-not-found'
  | 'transition-not-allowed'
  | 'issuer-not-found'
  | 'issuer-in-use'
  | 'issuer-not-trusted'

/** What to do about a refusal: `operator` for whoever runs the fleet, `device` for whoever writes its software. */
export interface Advice {
  operator: string
  device: string
}

const newClaim = 'Make a new claim.'
const stop = 'Stop; ask for a new claim.'
const wait = 'Wait and repeat, with growing pauses.'
const nothing = 'Nothing.'
const changePolicy = 'Change the policy if the device should be allowed it; otherwise have its software corrected.'

/** The one table of what to do; `docs/refusals.md` has the same words. */
export const refusalAdvice: Readonly<Record<Exclude<ErrorCode, OfOperators>, Advice>> = {
  'request-invalid': { operator: 'Have its software corrected.', device: 'Correct the request; the detail says what.' },
  'request-too-large': { operator: 'Have its software corrected.', device: 'Send less in one message.' },
  forbidden: { operator: 'Use a certificate of profile device or service.', device: 'Stop.' },
  'rate-limited': { operator: 'Find out why it tries so often.', device: wait },
  unavailable: { operator: 'Look at the health of the platform: `muster doctor`.', device: wait },
  internal: { operator: 'Look for the cause in the log.', device: wait },
  'quota-exceeded': { operator: 'Look at what fills the queues, and at the free space of the disk.', device: wait },
  'claim-invalid': { operator: newClaim, device: stop },
  'claim-expired': { operator: newClaim, device: stop },
  'claim-exhausted': { operator: 'Make a new claim, or find out who used it.', device: stop },
  'claim-key-mismatch': {
    operator: 'Find out whose certificate is the right one; revoke the other, retire the device, make a new claim.',
    device: 'Use the key that the claim was first used with.',
  },
  'claim-network': { operator: 'Make a claim for the network it is in, if it may be there.', device: stop },
  'csr-invalid': { operator: 'Have its software corrected.', device: 'Send PKCS#10, signed with SHA-256 or better.' },
  'key-not-allowed': { operator: 'Have its software corrected.', device: 'Make a P-256, P-384 or Ed25519 key.' },
  'key-in-use': {
    operator: 'Find the image or the device that the key was copied from; every device makes its own.',
    device: 'Make a new key.',
  },
  'device-name-missing': { operator: nothing, device: 'Send its name as `device`.' },
  'device-name-mismatch': { operator: 'Give it the claim of this device.', device: 'Leave `device` out.' },
  'device-taken': { operator: 'After a factory reset: retire the device, make a new claim.', device: stop },
  'device-rejected': { operator: 'To let it in after all: retire it, make a new claim.', device: 'Stop.' },
  'certificate-expired': {
    operator: 'Make a new claim, or allow late renewals in the fleet: `muster fleets set`.',
    device: 'Set the clock; enrol again with the new claim.',
  },
  'device-revoked': { operator: 'To use it again: new key, retire it, new claim.', device: 'Stop.' },
  'device-retired': { operator: newClaim, device: stop },
  'device-suspended': { operator: 'Resume it when what led to it is settled.', device: wait },
  'device-pending': { operator: 'Approve or reject it.', device: wait },
  'policy-not-found': { operator: 'Give the device a policy that exists, or create this one.', device: wait },
  'certificate-superseded': {
    operator: 'If it was not the device: revoke it, its old certificate is in other hands.',
    device: 'Use the newer certificate.',
  },
  'proof-invalid': { operator: 'Have its software corrected.', device: 'Sign with the key of its own certificate.' },
  'csr-subject-mismatch': { operator: nothing, device: 'Repeat the subject of its certificate, or use `/v1/renew`.' },
  'certificate-missing': {
    operator: 'Have key and certificate configured; enrol the device if it never was.',
    device: 'Show its certificate in the TLS handshake.',
  },
  'certificate-untrusted': {
    operator: 'If it is a device of this platform, enrol it here; if it is not, find out who has its name.',
    device: 'Send `certificate` and `chain` of its enrolment.',
  },
  'certificate-subject': {
    operator: 'Enrol the device here: the certificate is of another platform or made by hand.',
    device: 'Use the certificate of its enrolment.',
  },
  'certificate-not-yet-valid': {
    operator: 'Set the clocks of the provisioner and of the broker.',
    device: 'Wait until its certificate is valid.',
  },
  'certificate-unknown': {
    operator:
      'Find out who signed it: after a restore enrol the device again, otherwise the issuing CA key is stolen (docs/ca.md).',
    device: 'Enrol again.',
  },
  'certificate-revoked': { operator: 'To use it again: new key, retire it, new claim.', device: 'Stop.' },
  'client-id-mismatch': { operator: 'Have its client id corrected.', device: 'Send its device id, or no client id.' },
  'packet-malformed': { operator: 'Have its MQTT library corrected.', device: 'Send what MQTT allows.' },
  'protocol-error': { operator: 'Have its MQTT library corrected.', device: 'Keep the order of packets of MQTT.' },
  'certificate-cloned': {
    operator: 'Find out which of the two is the device; revoke it, and enrol it again with a new key.',
    device: 'Connect once, from one place.',
  },
  'tls-required': { operator: 'Have it configured for TLS.', device: 'Use `mqtts://` with its certificate.' },
  'proxy-header': {
    operator: 'Name the balancer in `MUSTER_PROXY_FROM`, and have it send the header; nobody else may.',
    device: 'Connect without a PROXY header.',
  },
  'tls-version': { operator: 'Have its TLS library updated.', device: 'Speak TLS 1.2 or 1.3.' },
  'tls-no-shared-cipher': {
    operator: 'Have its TLS library updated.',
    device: 'Offer ECDHE with AES-GCM or ChaCha20-Poly1305, and ECDSA.',
  },
  'tls-server-rejected': {
    operator: 'Install the root of this platform on it, and have it connect by a name in the broker’s certificate.',
    device: 'Trust the roots of its enrolment; set the clock.',
  },
  'tls-handshake-timeout': { operator: 'Look at its network; path MTU and firewalls first.', device: wait },
  'tls-aborted': {
    operator: 'Nothing for health checks and port scanners; a device may lack the root of this platform.',
    device: 'Trust the roots of its enrolment.',
  },
  'tls-failed': { operator: 'Read the detail; test with `openssl s_client`.', device: wait },
  'publish-denied': { operator: changePolicy, device: 'Publish what the policy allows.' },
  'subscribe-denied': { operator: changePolicy, device: 'Subscribe to what the policy allows.' },
  'will-denied': { operator: changePolicy, device: 'Set a will that it may publish.' },
}

/** What to do about a refusal with this code. */
export function adviceFor(code: ErrorCode): Advice {
  return (refusalAdvice as Partial<Record<ErrorCode, Advice>>)[code] ?? { operator: nothing, device: wait }
}
