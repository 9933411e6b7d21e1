import { adviceFor, type Refusal } from '@muster/contracts'
import type { refusals } from '@muster/db'

export function presentRefusal(row: typeof refusals.$inferSelect): Refusal {
  const { fleet, device, subject, serial, issuer, firstAt, lastAt, ...rest } = row
  return {
    ...rest,
    fleet: fleet || null,
    device: device || null,
    subject: subject || null,
    serial: serial || null,
    issuer: issuer || null,
    firstAt: firstAt.toISOString(),
    lastAt: lastAt.toISOString(),
    advice: adviceFor(row.code),
  }
}
