import { isName, MusterError } from '@muster/contracts'

export interface EstCredentials {
  claim: string
  /** Absent where the claim names the device. */
  device?: string
}

/** HTTP Basic (RFC 7617): the device's id, and its claim as the password. @throws MusterError `not-authenticated` */
export function readCredentials(header: string | undefined): EstCredentials {
  const [, encoded] = /^Basic +([A-Za-z0-9+/]+={0,2}) *$/i.exec(header ?? '') ?? []
  const [, device = '', claim] = /^([^:]*):(.+)$/s.exec(Buffer.from(encoded ?? '', 'base64').toString()) ?? []
  if (claim === undefined) throw refuse('HTTP Basic is needed: the device’s id, and its claim as the password')
  if (device === '') return { claim }
  if (!isName(device)) throw refuse('the user of HTTP Basic is not a device’s id')
  return { claim, device }
}

function refuse(why: string): MusterError {
  return new MusterError('not-authenticated', why)
}
