import { type PulledRenewal, platformFleet } from '@muster/contracts'
import type { PulledWindow } from '../renewal/window.ts'

export function presentWindow({ id, startsAt, endsAt, createdAt, ...named }: PulledWindow): PulledRenewal {
  return {
    ...named,
    id: String(id),
    start: startsAt.toISOString(),
    end: endsAt.toISOString(),
    createdAt: createdAt.toISOString(),
  }
}

/** What names no fleet concerns the platform. */
export const auditScope = ({ id, fleet }: PulledWindow) => ({
  fleet: fleet ?? platformFleet,
  subject: `renewal-window-${id}`,
})
