import pg from 'pg'

const networkCodes = [
  'ECONNREFUSED',
  'ECONNRESET',
  'ENOENT',
  'ENOTFOUND',
  'EAI_AGAIN',
  'EPIPE',
  'ETIMEDOUT',
  'EAGAIN',
  'EHOSTUNREACH',
  'ENETUNREACH',
]
const lockNotAvailable = '55P03'
const lostMessage =
  /^(Connection terminated|Client has encountered a connection error|timeout exceeded|timeout expired|Query read timeout)/

/** The error and its causes: drizzle wraps what `pg` throws. */
function* chain(error: unknown): Generator<Error> {
  for (let at = error, depth = 0; at instanceof Error && depth < 5; at = at.cause, depth += 1) yield at
}

function findDatabaseError(error: unknown): pg.DatabaseError | undefined {
  return chain(error).find((at) => at instanceof pg.DatabaseError)
}

function hasCode(error: unknown, code: string, constraint?: string): boolean {
  const found = findDatabaseError(error)
  return found?.code === code && (constraint === undefined || found.constraint === constraint)
}

export const isUniqueViolation = (error: unknown, constraint?: string) => hasCode(error, '23505', constraint)
export const isForeignKeyViolation = (error: unknown, constraint?: string) => hasCode(error, '23503', constraint)
export const isCheckViolation = (error: unknown, constraint?: string) => hasCode(error, '23514', constraint)
export const isInsufficientPrivilege = (error: unknown) => hasCode(error, '42501')
/** Nothing is wrong with the transaction but its company: it may be run again as it is. */
export const isSerializationFailure = (error: unknown) => hasCode(error, '40001') || hasCode(error, '40P01')

/** The server is away, going, out of room or out of time: nothing is wrong with the statement. */
export function isDatabaseUnavailable(error: unknown): boolean {
  const code = findDatabaseError(error)?.code
  if (code) return /^(08|53|57)/.test(code) || code === lockNotAvailable
  return chain(error).some(
    (at) => networkCodes.includes((at as NodeJS.ErrnoException).code ?? '') || lostMessage.test(at.message),
  )
}

const neverSent = /^(ECONNREFUSED|ENOENT|ENOTFOUND|EAI_AGAIN|EHOSTUNREACH|ENETUNREACH)$/

/** The answer to the statement is missing, so that nobody knows whether it was committed. */
export function mayHaveCommitted(error: unknown): boolean {
  const code = findDatabaseError(error)?.code
  // What the server answers with an error it has not committed; what it says while it goes down is no answer.
  if (code) return /^(08|57)/.test(code)
  return !chain(error).some(
    (at) => neverSent.test((at as NodeJS.ErrnoException).code ?? '') || /when trying to connect/.test(at.message),
  )
}

const classOf = (error: unknown) => findDatabaseError(error)?.code?.slice(0, 2)

/** What was to be written cannot be written, today or later: data exceptions. */
export const isDataRefused = (error: unknown) => classOf(error) === '22'
/** It is one of the rows that is not taken, and the others might be: data, constraints, triggers. */
export const blamesRows = (error: unknown) => ['22', '23', 'P0'].includes(classOf(error) ?? '')

/** What the server or the network said, without the statement that drizzle puts around it. */
export function describeDatabaseError(error: unknown): string {
  const cause = chain(error).reduce<Error | undefined>((_outer, inner) => inner, undefined)
  return cause?.message || (cause as NodeJS.ErrnoException | undefined)?.code || String(error)
}
