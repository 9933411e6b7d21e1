import { Duration } from '@muster/contracts'
import { InvalidArgumentError } from 'commander'

/** For options that may be given several times. */
export function collect(value: string, before: string[] = []): string[] {
  return [...before, value]
}

export function parseCount(text: string): number {
  const count = Number(text)
  if (/^\d+$/.test(text) && count >= 1 && count <= 1_000_000) return count
  throw new InvalidArgumentError('A whole number from 1 to 1,000,000 is expected.')
}

/** `90s`, `15m`, `72h`, `30d`, as seconds. */
export function parseDuration(text: string): number {
  const parsed = Duration.safeParse(text)
  if (parsed.success) return parsed.data
  throw new InvalidArgumentError('A duration like 15m, 72h or 30d is expected.')
}

export function parseFactor(text: string): number {
  const factor = Number(text)
  if (factor > 0 && factor <= 1_000) return factor
  throw new InvalidArgumentError('A number above 0 is expected, like 0.1.')
}

/** `10%` or `0.1`. */
export function parseShare(text: string): number {
  const [, percent, number] = /^(?:(\d+(?:\.\d+)?)%|(\d*\.?\d+))$/.exec(text) ?? []
  const share = percent === undefined ? Number(number) : Number(percent) / 100
  if (share >= 0 && share <= 100) return share
  throw new InvalidArgumentError('A share like 10% or 0.1 is expected.')
}

/** The first part of devices' names. */
export function parsePrefix(text: string): string {
  if (/^[a-z0-9][a-z0-9._-]{0,50}$/.test(text)) return text
  throw new InvalidArgumentError('Lower-case letters, digits, dots and dashes are expected, 51 at most.')
}
