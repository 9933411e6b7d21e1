import type { PlannedFault } from '../plan/device-plan.ts'
import type { Equipment } from './equipment.ts'

export function listActors(faults: readonly PlannedFault[]): Equipment['actors'] {
  return faults.length === 0 ? [] : []
}
