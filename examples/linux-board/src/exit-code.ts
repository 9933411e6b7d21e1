import { type ErrorCode, MusterError } from '@muster/contracts'

/** As in sysexits.h, so that a supervisor can tell what is worth starting again. */
const exitCodes = { temporary: 75, untrusted: 76, refused: 77 }

const passing = new Set<ErrorCode>([
  'device-suspended',
  'device-pending',
  'rate-limited',
  'unavailable',
  'internal',
  'quota-exceeded',
  'certificate-not-yet-valid',
  'forbidden',
])

/** Whether somebody has to do something before this device is let in again. */
export function isFinal({ code }: MusterError): boolean {
  return !passing.has(code)
}

export function exitCodeOf(error: unknown): number {
  if (!(error instanceof MusterError && isFinal(error))) return exitCodes.temporary
  return error.code === 'certificate-untrusted' ? exitCodes.untrusted : exitCodes.refused
}
