import { Enrolment, type EnrolRequest, MusterError, PendingEnrolment } from '@muster/contracts'
import { z } from 'zod'
import { readJson } from '../http/read-json.ts'
import { type HttpsAnswer, send } from '../http/send.ts'
import { TemporaryFailure } from '../http/temporary-failure.ts'
import type { DeviceClock } from '../trust/device-clock.ts'
import { type Dial, dialFor } from '../trust/dial.ts'
import { isVouchedFor } from '../trust/is-vouched-for.ts'

const maxBytes = 131_072
const timeoutMs = 30_000
const Answer = z.union([PendingEnrolment, Enrolment])

/**
 * Asks for a certificate over a connection that only the root can vouch for: the one that the root came by, if it does, or a new one.
 * @throws TemporaryFailure while approval is pending
 */
export async function requestEnrolment(
  url: URL,
  trust: { roots: string; clock: DeviceClock },
  body: EnrolRequest,
  { dial, signal, kept }: { dial: Dial | undefined; signal: AbortSignal | undefined; kept: HttpsAnswer['kept'] },
): Promise<Enrolment> {
  const { roots, clock } = trust
  const known = kept?.line.isOpen && isVouchedFor(kept.shown, kept.host, roots, clock) ? kept : undefined
  const target = { url: new URL('/v1/enrol', url), trust, line: known?.line, dial: dialFor('enrol', dial) }
  const answer = await send({ ...target, body, maxBytes, timeoutMs, signal })
  const enrolment = readJson(answer, Answer, url)
  if (!('status' in enrolment)) {
    const certificate = known?.shown.certificates[0] ?? answer.certificate
    if (certificate) clock.learn(enrolment.serverTime, certificate)
    return enrolment
  }
  const pending = new MusterError('device-pending', 'the enrolment waits for approval by an operator')
  throw new TemporaryFailure(pending, enrolment.retryAfter * 1_000)
}
