import { MusterError } from '@muster/contracts'
import { ConfigError } from '@muster/contracts/config'
import { CaError } from '@muster/pki'

/** What a person can act on is one line; anything else is a defect and shows where it is. */
export function reportFailure(error: unknown): void {
  if (error instanceof MusterError) console.error(`provisioner: ${error.detail}`)
  else if (error instanceof ConfigError || error instanceof CaError) console.error(`provisioner: ${error.message}`)
  else if (isFileError(error)) console.error(`provisioner: ${error.path}: ${error.code}`)
  else console.error(error)
  process.exitCode = 1
  // The channel to the parent would keep the process alive.
  if (process.connected) process.disconnect()
}

const isFileError = (error: unknown): error is NodeJS.ErrnoException =>
  error instanceof Error && 'syscall' in error && 'path' in error
