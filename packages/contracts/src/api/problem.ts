import { z } from 'zod'

/** RFC 9457. `type` is `urn:muster:error:<code>`; `instance` is the request id, as in the server's log. */
export const Problem = z
  .object({
    type: z.string(),
    title: z.string(),
    status: z.int(),
    detail: z.string(),
    instance: z.string(),
    errors: z
      .array(z.object({ pointer: z.string(), detail: z.string() }))
      .optional()
      .describe('what is wrong with the request, by JSON pointer'),
  })
  .meta({ id: 'Problem' })
export type Problem = z.infer<typeof Problem>

export const problemType = (code: string) => `urn:muster:error:${code}`
