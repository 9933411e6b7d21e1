import { MusterError } from '@muster/contracts'

/** The claim names the device; only where it names none or several does the request have a say. */
export function chooseName(claimed: readonly string[] | null, asked: string | undefined): string {
  const [only, ...more] = claimed ?? []
  if (only !== undefined && more.length === 0) {
    if (asked !== undefined && asked !== only)
      throw new MusterError('device-name-mismatch', `the claim is not for a device ${asked}`)
    return only
  }
  if (asked === undefined)
    throw new MusterError('device-name-missing', 'the claim leaves the name open: give it in "device"')
  if (claimed !== null && !claimed.includes(asked))
    throw new MusterError('device-name-mismatch', `the claim is not for a device ${asked}`)
  return asked
}
