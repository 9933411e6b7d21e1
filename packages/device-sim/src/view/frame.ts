import { columnsOf, cutTo } from './width.ts'

export interface Size {
  columns: number
  rows: number
}

export interface Frame {
  size(): Size
  draw(lines: readonly string[]): void
  clear(): void
  /** What was drawn last stays; what comes next stands below it. */
  leave(): void
}

// A terminal that knows them shows all that is between at once; others ignore them.
const [beginUpdate, endUpdate] = ['\x1b[?2026h', '\x1b[?2026l']
const toEndOfLine = '\x1b[K'
const toEndOfScreen = '\x1b[J'

/** Lines at the bottom of a terminal that are drawn over each other. Nothing above them is touched. */
export function openFrame(
  stream: NodeJS.WritableStream & { columns?: number; rows?: number },
  columns?: number,
): Frame {
  let drawn: readonly string[] = []
  const size = () => ({ columns: columns ?? stream.columns ?? 80, rows: stream.rows ?? 24 })
  /** A terminal that became narrower has broken what was drawn into more lines. */
  const back = () => {
    const height = drawn.reduce((sum, line) => sum + Math.max(1, Math.ceil(columnsOf(line) / size().columns)), 0)
    return height > 0 ? `\r\x1b[${height}A` : '\r'
  }
  return {
    size,
    draw(lines) {
      // The last column stays free, where terminals differ in when they go on to the next line; so does the last row.
      const fitting = lines.slice(0, Math.max(1, size().rows - 1)).map((line) => cutTo(line, size().columns - 1))
      stream.write(
        `${beginUpdate}${back()}${fitting.map((line) => `${line}${toEndOfLine}\n`).join('')}${toEndOfScreen}${endUpdate}`,
      )
      drawn = fitting
    },
    clear() {
      if (drawn.length > 0) stream.write(`${back()}${toEndOfScreen}`)
      drawn = []
    },
    leave() {
      drawn = []
    },
  }
}
