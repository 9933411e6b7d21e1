import { Problem } from '@muster/contracts'
import type { z } from 'zod'

export const answer = <Schema extends z.ZodType>(description: string, schema: Schema) => ({
  description,
  content: { 'application/json': { schema } },
})

export const refused = {
  default: { description: 'refused', content: { 'application/problem+json': { schema: Problem } } },
} as const

export const jsonBody = <Schema extends z.ZodType>(schema: Schema) =>
  ({ body: { required: true, content: { 'application/json': { schema } } } }) as const

/** Mutual TLS with a certificate that the registry has issued. */
export const certificateHolder = [{ certificate: [] }]

/** HTTP Basic: a device's id and its claim. */
export const claimHolder = [{ claim: [] }]

export const operator = [{ operator: [] }]
