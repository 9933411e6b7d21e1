import { MusterError } from '@muster/contracts'
import { longestShelfMs } from '../faults/equip.ts'
import type { Scenario } from '../scenario/schema.ts'
import { writeTime } from '../scenario/units.ts'

const minuteMs = 60_000

/** @throws MusterError where the scenario waits for the end of certificates, and those of this platform live for longer than anybody waits */
export function requireShortLives({ devices }: Scenario, lifeMs: number): void {
  const waiting = Object.entries(devices).find(([, { faults }]) =>
    faults.some((fault) => fault.do === 'shelf' && fault.ended === 'certificate'),
  )
  if (!waiting || lifeMs <= longestShelfMs) return
  const life = writeTime(Math.round(lifeMs / minuteMs) * minuteMs)
  const most = writeTime(longestShelfMs)
  const why = `devices of ${waiting[0]} wait on a shelf until their certificate has ended, and this platform makes them for ${life}`
  throw new MusterError(
    'request-invalid',
    `${why}: play it where the provisioner has MUSTER_CERTIFICATE_VALIDITY=5m (${most} at most)`,
  )
}
