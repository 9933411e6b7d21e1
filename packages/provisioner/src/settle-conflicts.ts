import { isSerializationFailure, isUniqueViolation } from '@muster/db'

/** Two transactions can meet at one name or one key; whichever comes second starts over and finds what the first has left. */
export async function settleConflicts<T>(run: () => Promise<T>, attempts = 3): Promise<T> {
  try {
    return await run()
  } catch (error) {
    if (attempts <= 1 || !(isUniqueViolation(error) || isSerializationFailure(error))) throw error
    return settleConflicts(run, attempts - 1)
  }
}
