import { type CompiledPolicy, MusterError } from '@muster/contracts'
import type { Session } from '../sessions/session.ts'
import { compileGranted } from './compile-granted.ts'
import type { Registry } from './registry.ts'

/** What the registry says of a session that may be gone; where it cannot be asked, what was in force for it last. */
export async function readPolicyNow(registry: Pick<Registry, 'find'>, session: Session): Promise<CompiledPolicy> {
  const { identity, serial } = session.peer
  try {
    const row = await registry.find(serial)
    return row ? compileGranted(row, { ...identity, serial }) : session.policy
  } catch (error) {
    if (error instanceof MusterError && error.code === 'unavailable') return session.policy
    throw error
  }
}
