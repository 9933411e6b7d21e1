import type { Change, Figure } from './compare-reports.ts'

export const changeWords: Record<Change, string> = { better: 'better', worse: 'worse', same: 'same', neither: '–' }

const signed = (value: number, format: (value: number) => string) =>
  value === 0 ? '0' : `${value < 0 ? '−' : '+'}${format(Math.abs(value))}`

export function formatDifference({ a, b, format }: Figure): string {
  return a === undefined || b === undefined ? '–' : signed(b - a, format)
}

export function formatPercent({ share }: Figure): string {
  if (share === undefined) return '–'
  const percent = Math.abs(share) * 100
  return signed(share, () => `${percent < 9.95 ? percent.toFixed(1) : Math.round(percent).toLocaleString('en-GB')} %`)
}

export const formatFigure = (value: number | undefined, { format }: Figure) =>
  value === undefined ? '–' : format(value)
