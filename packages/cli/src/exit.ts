import { type ErrorCode, MusterError, printable } from '@muster/contracts'

/** What a script can tell apart. */
export const exitCodes = { failed: 1, usage: 2, unreachable: 3 } as const

/** Something that the command itself found wrong. The message is one line; `hint` says what to do. */
export class CliError extends Error {
  override readonly name = 'CliError'
  readonly exitCode: number
  readonly hint: string | undefined

  constructor(message: string, options: { exitCode?: number; hint?: string; cause?: unknown } = {}) {
    super(message, { cause: options.cause })
    this.exitCode = options.exitCode ?? exitCodes.failed
    this.hint = options.hint
  }
}

const hints: Partial<Record<ErrorCode, string>> = {
  'not-authenticated': 'the operator token is in <data>/operator-token; --data or --token-file name another',
  'device-not-found': '`muster devices list` shows what there is; --fleet names another fleet',
  'claim-not-found': '`muster claims list` shows what there is',
  'fleet-not-found': '--fleet names another fleet',
  'policy-not-found': '`muster policies list` shows what there is',
  'transition-not-allowed': '`muster devices show` tells the state it is in',
  'issuer-not-found': '`muster ca list` shows what there is',
  'issuer-not-trusted': '`muster ca list` shows which brokers are missing',
  'issuer-in-use': '`muster certificates list --issuer <name>` shows the stragglers',
  'rate-limited': 'wait a little',
  unavailable: '`muster doctor` looks for the cause',
}

export interface Ending {
  lines: string[]
  exitCode: number
}

/** How a failed command ends: one line with the reason, and one with what to do where that is known. */
export function describeFailure(error: unknown): Ending {
  if (error instanceof MusterError) return ending(`${error.code}: ${error.detail}`, hints[error.code])
  if (error instanceof CliError) return ending(error.message, error.hint, error.exitCode)
  return ending(error instanceof Error ? error.message || error.name : String(error))
}

/** Parts of a message may come from a file or from a server: they do not act on the terminal. */
function ending(message: string, hint?: string, exitCode: number = exitCodes.failed): Ending {
  const lines = [`muster: ${message}`, ...(hint ? [`  ${hint}`] : [])]
  return { lines: lines.flatMap((line) => line.split('\n').map(printable)), exitCode }
}
