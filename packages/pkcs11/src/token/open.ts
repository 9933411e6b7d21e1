import type * as Pkcs11 from 'pkcs11js'
import type { TokenAddress } from './messages.ts'
import { findPinProblem } from './pin.ts'
import { TokenError } from './token-error.ts'

export interface OpenToken {
  library: typeof Pkcs11
  module: Pkcs11.PKCS11
  slot: Pkcs11.Handle
}

/** Loads the vendor's library, finds the token and logs in; a login holds for all sessions of the process. */
export async function openToken({ module: path, token, pin }: TokenAddress): Promise<OpenToken> {
  const library = await loadLibrary()
  const module = new library.PKCS11()
  try {
    module.load(path)
  } catch (error) {
    throw new TokenError('module-missing', `the PKCS#11 module cannot be loaded: ${(error as Error).message}`)
  }
  module.C_Initialize({ flags: library.CKF_OS_LOCKING_OK })
  const slot = findSlot(module, token)
  logIn({ library, module, slot }, token, pin)
  return { library, module, slot }
}

async function loadLibrary(): Promise<typeof Pkcs11> {
  try {
    return (await import('pkcs11js')).default
  } catch {
    throw new TokenError('not-built', 'pkcs11js is not compiled here: run node infra/build-pkcs11.mjs')
  }
}

function findSlot(module: Pkcs11.PKCS11, label: string): Pkcs11.Handle {
  const slots = module.C_GetSlotList(true).filter((slot) => module.C_GetTokenInfo(slot).label.trimEnd() === label)
  const [slot] = slots
  if (!slot) throw new TokenError('token-missing', `the HSM has no token called ${label}`)
  if (slots.length > 1) throw new TokenError('token-missing', `the HSM has ${slots.length} tokens called ${label}`)
  return slot
}

function logIn({ library, module, slot }: OpenToken, label: string, pin: string): void {
  const refuse = (why: string, code?: string) => new TokenError('pin-refused', `the token ${label} ${why}`, code)
  const problem = findPinProblem(module.C_GetTokenInfo(slot).flags)
  if (problem) throw refuse(problem)
  const session = module.C_OpenSession(slot, library.CKF_SERIAL_SESSION)
  try {
    module.C_Login(session, library.CKU_USER, pin)
  } catch (error) {
    const code = (error as Error).message
    if (/^CKR_(USER_)?PIN_/.test(code)) throw refuse('does not accept the PIN', code)
    throw error
  }
}
