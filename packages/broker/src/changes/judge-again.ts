import { MusterError } from '@muster/contracts'
import { type Admission, judge, type RegistryRow } from '../admission/judge.ts'
import type { Session } from '../sessions/session.ts'

/** What would be decided if the connection came now. */
export function judgeAgain(
  session: Session,
  row: RegistryRow | undefined,
  now: Date,
): Pick<Admission, 'policy'> | { refusal: MusterError } {
  try {
    const admission = judge(session.peer, row, now)
    if (admission.standing !== 'late' || session.isLate) return admission
    return { refusal: new MusterError('certificate-expired', 'it may come back to renew its certificate') }
  } catch (error) {
    if (error instanceof MusterError) return { refusal: error }
    throw error
  }
}
