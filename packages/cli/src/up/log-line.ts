import { printable } from '@muster/contracts'

const warn = 40

interface LogLine {
  level?: unknown
  msg?: unknown
  code?: unknown
  detail?: unknown
  err?: { message?: unknown }
}

/** What a line of a process' log is worth on the screen: warnings in words, and whatever is not a log line at all. */
export function summariseLogLine(line: string): string | undefined {
  const parsed = parse(line)
  if (!parsed) return line.trim() === '' ? undefined : printable(line)
  if (typeof parsed.level !== 'number' || parsed.level < warn) return undefined
  const parts = [parsed.msg, parsed.code, parsed.detail, parsed.err?.message]
  const text = [...new Set(parts.filter((part) => typeof part === 'string' && part !== ''))].join(': ')
  return printable(text || line)
}

function parse(line: string): LogLine | undefined {
  if (!line.startsWith('{')) return undefined
  try {
    return JSON.parse(line) as LogLine
  } catch {
    return undefined
  }
}

/** Lets a few lines through in a while, then one that says where the others are. */
export function createThrottle(notice: string, { most = 5, everyMs = 10_000, now = () => performance.now() } = {}) {
  let until = Number.NEGATIVE_INFINITY
  let shown = 0
  return (line: string): string | undefined => {
    if (now() >= until) {
      until = now() + everyMs
      shown = 0
    }
    shown += 1
    if (shown <= most) return line
    return shown === most + 1 ? notice : undefined
  }
}
