import type { Problem } from '@muster/contracts'
import type { z } from 'zod'

type Issue = z.core.$ZodIssue

/** What zod found, by JSON pointer; of a union, what is wrong with the alternative that was meant. */
export function describeIssues(
  issues: readonly Issue[],
  above: readonly PropertyKey[] = [],
): NonNullable<Problem['errors']> {
  return issues.flatMap((issue) => {
    const path = [...above, ...issue.path]
    if (issue.code === 'invalid_union') {
      const [meant] = issue.errors.toSorted((one, other) => strangeness(one) - strangeness(other))
      if (meant && meant.length > 0) return describeIssues(meant, path)
    }
    // RFC 6901 §3
    const pointer = path.map((part) => `/${String(part).replaceAll('~', '~0').replaceAll('/', '~1')}`).join('')
    return [{ pointer, detail: issue.message }]
  })
}

/** A wrong kind of thing, or one with other fields, is hardly what was meant. */
function strangeness(issues: readonly Issue[]): number {
  const strange = issues.filter(
    ({ code, path }) => code === 'unrecognized_keys' || (code === 'invalid_type' && path.length <= 1),
  )
  return strange.length * 100 + issues.length
}
