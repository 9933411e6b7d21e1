export const formatCount = (count: number) => Math.round(count).toLocaleString('en-GB')

/** `0.43 ms`, `12 ms`, `1.2 s`, `3.5 min`: two or three digits that count. */
export function formatMs(ms: number): string {
  if (ms < 999.5) return `${digits(ms)} ms`
  if (ms < 59_950) return `${digits(ms / 1_000)} s`
  return `${digits(ms / 60_000)} min`
}

export const formatRate = (perSecond: number) => `${digits(perSecond)}/s`

/** `35 s`, `5 min 12 s`, `2 h 5 min`. */
export function formatSpan(ms: number): string {
  const seconds = Math.round(ms / 1_000)
  if (ms < 9_950) return `${(ms / 1_000).toFixed(1)} s`
  if (seconds < 60) return `${seconds} s`
  const [hours, minutes] = [Math.floor(seconds / 3_600), Math.floor(seconds / 60) % 60]
  const parts = hours > 0 ? [`${hours} h`, minutes > 0 && `${minutes} min`] : [`${minutes} min`]
  return [...parts, hours === 0 && seconds % 60 > 0 && `${seconds % 60} s`].filter(Boolean).join(' ')
}

/** Time since the start of a run, as on a stopwatch: `0:35`, `12:05`, `1:02:05`. */
export function formatClock(ms: number): string {
  const seconds = Math.round(ms / 1_000)
  const [hours, minutes] = [Math.floor(seconds / 3_600), Math.floor(seconds / 60) % 60]
  const two = (part: number) => String(part).padStart(2, '0')
  return hours > 0 ? `${hours}:${two(minutes)}:${two(seconds % 60)}` : `${minutes}:${two(seconds % 60)}`
}

export function formatBytes(bytes: number): string {
  if (bytes < 1_024) return `${Math.round(bytes)} B`
  if (bytes < 1_024 ** 2) return `${digits(bytes / 1_024)} KiB`
  return bytes < 1_024 ** 3 ? `${digits(bytes / 1_024 ** 2)} MiB` : `${digits(bytes / 1_024 ** 3)} GiB`
}

export const formatShare = (share: number) => `${digits(share * 100)} %`

/** `2026-11-26 11:37:05 UTC`. A report may say anything; a time that is none is shown as the number it is. */
export function formatInstant(ms: number): string {
  const instant = new Date(ms)
  if (Number.isNaN(instant.getTime())) return String(ms)
  return `${instant.toISOString().slice(0, 19).replace('T', ' ')} UTC`
}

function digits(value: number): string {
  const size = Math.abs(value)
  if (size >= 99.5) return formatCount(value)
  if (size === 0) return '0'
  return size >= 9.95 ? trim(value.toFixed(size >= 19.95 ? 0 : 1)) : trim(value.toFixed(size >= 0.995 ? 1 : 2))
}

const trim = (text: string) => (text.includes('.') ? text.replace(/\.?0+$/, '') : text)
