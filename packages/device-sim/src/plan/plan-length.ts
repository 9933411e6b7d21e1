import { phaseLength } from '../run/phase-length.ts'
import type { Scenario } from '../scenario/schema.ts'

/** How long a run takes in milliseconds where no device keeps it waiting. */
export const planLength = ({ phases }: Scenario): number => phases.reduce((sum, phase) => sum + phaseLength(phase), 0)
