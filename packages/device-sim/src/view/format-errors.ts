import { printable } from '@muster/contracts'
import { formatCount } from '../report/format.ts'
import type { RunReport } from '../report/run-report.ts'
import type { Paint } from './paint.ts'

/** Those that nothing explains come first. */
export function formatErrors(reasons: RunReport['reasons'], most: number, paint: Paint): string[] {
  if (reasons.length === 0) return []
  const sorted = reasons.toSorted((a, b) => Number(a.expected) - Number(b.expected) || b.count - a.count)
  const rows = sorted.slice(0, most).map(({ reason, count, expected }) => {
    const line = `${formatCount(count).padStart(9)} × ${printable(reason)}`
    return expected ? paint('dim', `${line} (expected)`) : paint('bad', line)
  })
  const left = sorted.length - most
  return ['', ...rows, ...(left > 0 ? [paint('dim', `            and ${left} more`)] : [])]
}
