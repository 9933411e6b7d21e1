const units = [
  [86_400, 'd'],
  [3_600, 'h'],
  [60, 'min'],
  [1, 's'],
] as const

/** `2026-11-21 08:12:33Z`: sorts, and pastes into a query. */
export function formatInstant(instant: string | null): string {
  if (instant === null) return ''
  return new Date(instant)
    .toISOString()
    .replace('T', ' ')
    .replace(/\.\d+Z$/, 'Z')
}

/** `3 min ago`, `in 2 d`. */
export function formatRelative(instant: string | null, now: Date): string {
  if (instant === null) return ''
  const seconds = Math.round((new Date(instant).getTime() - now.getTime()) / 1_000)
  const [size, unit] = units.find(([length]) => Math.abs(seconds) >= length) ?? [1, 's']
  const count = Math.floor(Math.abs(seconds) / size)
  return seconds > 0 ? `in ${count} ${unit}` : `${count} ${unit} ago`
}

export function formatCount(count: number): string {
  return Math.round(count).toLocaleString('en')
}
