import { Enrolment, RenewalWindow, type RenewRequest } from '@muster/contracts'
import type { z } from 'zod'
import { readJson } from '../http/read-json.ts'
import { send } from '../http/send.ts'
import type { Credentials } from '../store/load-credentials.ts'
import type { DeviceClock } from '../trust/device-clock.ts'
import { type Dial, type DialPurpose, dialFor } from '../trust/dial.ts'

const maxBytes = 131_072
const timeouts = { minMs: 2_000, maxMs: 30_000 }

/** Who asks whom: mutual TLS with `credentials`, in both directions. */
export interface Asking {
  url: string
  credentials: Credentials
  clock: DeviceClock
  dial: Dial | undefined
  signal: AbortSignal | undefined
}

/** @throws MusterError with the server's code, TemporaryFailure where asking again makes sense */
export function requestRenewal(asking: Asking, body: RenewRequest): Promise<Enrolment> {
  return ask(asking, { path: '/v1/renew', purpose: 'renew', schema: Enrolment, body })
}

/** When to renew; asking with a renewed certificate also tells the server that it has arrived. */
export async function requestWindow(asking: Asking): Promise<{ start: Date; end: Date }> {
  const { window } = await ask(asking, { path: '/v1/renewal', purpose: 'window', schema: RenewalWindow })
  return { start: new Date(window.start), end: new Date(window.end) }
}

interface Question<Schema> {
  path: string
  purpose: DialPurpose
  schema: Schema
  body?: RenewRequest
}

async function ask<Schema extends z.ZodType<{ serverTime: string }>>(
  { url, credentials, clock, dial, signal }: Asking,
  { path, purpose, schema, body }: Question<Schema>,
): Promise<z.output<Schema>> {
  const target = new URL(path, url)
  const trust = { roots: credentials.roots, clock }
  const timeoutMs = chooseTimeout(credentials, clock)
  const answer = await send({
    url: target,
    trust,
    dial: dialFor(purpose, dial),
    credentials,
    body,
    maxBytes,
    timeoutMs,
    signal,
  })
  const content = readJson(answer, schema, target)
  if (answer.certificate) clock.learn(content.serverTime, answer.certificate)
  return content
}

/** A part of the life that is left: there must be time to ask again, or another way. */
function chooseTimeout({ enrolment }: Credentials, clock: DeviceClock): number {
  const leftMs = Date.parse(enrolment.notAfter) - clock.now().getTime()
  return leftMs <= 0 ? timeouts.maxMs : Math.round(Math.min(Math.max(leftMs / 6, timeouts.minMs), timeouts.maxMs))
}
