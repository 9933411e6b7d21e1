import { isErrorCode, MusterError, Problem } from '@muster/contracts'
import type { z } from 'zod'
import type { HttpsAnswer } from './send.ts'
import { TemporaryFailure } from './temporary-failure.ts'

const maxRetryAfterMs = 3_600_000
// Request Timeout, Too Early, Too Many Requests, Network Authentication Required (a captive portal)
const temporaryStatuses = new Set([408, 425, 429, 511])

/**
 * The body of a 2xx answer as `schema` has it.
 * @throws MusterError with the server's code where it refused; TemporaryFailure where asking again makes sense
 */
export function readJson<Schema extends z.ZodType>(answer: HttpsAnswer, schema: Schema, url: URL): z.output<Schema> {
  const { status } = answer
  const json = parseJson(answer.body)
  if (status >= 200 && status < 300) {
    const parsed = schema.safeParse(json)
    if (parsed.success) return parsed.data
    throw new TemporaryFailure(
      new MusterError('internal', `${url.host} gave an answer that is none of Muster's`, { cause: parsed.error }),
    )
  }
  const error = problemOf(json) ?? new MusterError('unavailable', `${url.host} answered with HTTP status ${status}`)
  if (status >= 400 && status < 500 && !temporaryStatuses.has(status)) throw error
  throw new TemporaryFailure(error, retryAfterMs(answer.headers['retry-after']))
}

/** Milliseconds of a Retry-After header: seconds or an HTTP date (RFC 9110 §10.2.3), at most an hour. */
export function retryAfterMs(header: string | undefined, nowMs = Date.now()): number | undefined {
  if (header === undefined) return undefined
  const ms = /^\d{1,9}$/.test(header) ? Number(header) * 1_000 : Date.parse(header) - nowMs
  return Number.isNaN(ms) ? undefined : Math.min(Math.max(ms, 0), maxRetryAfterMs)
}

/** The refusal in a problem document; undefined for anything else. */
export function problemOf(json: unknown): MusterError | undefined {
  const problem = Problem.pick({ type: true, detail: true }).safeParse(json).data
  const code = problem?.type.replace(/^urn:muster:error:/, '')
  return problem && isErrorCode(code) ? new MusterError(code, problem.detail) : undefined
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
