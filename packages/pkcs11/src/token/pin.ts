const pinFinalTry = 0x20000
const pinLocked = 0x40000

/** Why a token, by its flags, must not be given a PIN: however often a supervisor starts us with a wrong one, we do not lock it. */
export function findPinProblem(flags: number): string | undefined {
  if (flags & pinLocked) return 'is locked: its PIN must be set anew'
  if (flags & pinFinalTry) return 'has one try left before it locks: log in with its own tool first'
  return undefined
}
