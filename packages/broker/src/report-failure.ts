import { MusterError } from '@muster/contracts'
import { ConfigError } from '@muster/contracts/config'
import { leaveParent } from './shutdown.ts'

/** What a person can act on is one line; anything else is a defect and shows where it is. */
export function reportFailure(error: unknown): void {
  if (error instanceof MusterError) console.error(`broker: ${error.detail}`)
  else if (error instanceof ConfigError) console.error(`broker: ${error.message}`)
  else if (isFileError(error)) console.error(`broker: ${error.path}: ${error.code}`)
  else console.error(error)
  process.exitCode = 1
  leaveParent()
}

const isFileError = (error: unknown): error is NodeJS.ErrnoException =>
  error instanceof Error && 'syscall' in error && 'path' in error
