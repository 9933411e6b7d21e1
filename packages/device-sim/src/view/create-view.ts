import { printable } from '@muster/contracts'
import type { RunReport } from '../report/run-report.ts'
import type { LiveState } from '../run/live.ts'
import { formatEnd } from './format-end.ts'
import { formatLine, formatViolation } from './format-line.ts'
import { formatScreen } from './format-screen.ts'
import { openFrame } from './frame.ts'
import { createPaint } from './paint.ts'

export interface View extends Disposable {
  show(state: LiveState): void
  /** A line that stays. Names in it may be others' choice. */
  say(line: string): void
  /** The last thing that is said: what came of it. */
  conclude(report: RunReport): void
}

interface Options {
  stream: NodeJS.WritableStream & { isTTY?: boolean; columns?: number; rows?: number }
  /** As the stream says, where not given. */
  isTTY?: boolean | undefined
  columns?: number | undefined
  /** Off a terminal: a line so often, and when something happens. */
  everyMs?: number
}

/** On a terminal the same lines are drawn over and over; elsewhere a line is added now and then. */
export function createView(options: Options): View {
  return (options.isTTY ?? options.stream.isTTY === true) ? createScreen(options) : createLines(options)
}

function createScreen({ stream, columns }: Options): View {
  const paint = createPaint(stream)
  const frame = openFrame(stream, columns)
  let last: LiveState | undefined
  const draw = () => {
    if (last) frame.draw(formatScreen(last, frame.size(), paint))
  }
  stream.on('resize', draw)
  return {
    show(state) {
      last = state
      draw()
    },
    say(line) {
      frame.clear()
      stream.write(`${printable(line)}\n`)
      draw()
    },
    conclude(report) {
      last = undefined
      frame.clear()
      stream.write(`${formatEnd(report, paint).join('\n')}\n`)
    },
    [Symbol.dispose]() {
      stream.off('resize', draw)
      frame.leave()
    },
  }
}

function createLines({ stream, everyMs = 5_000 }: Options): View {
  const paint = createPaint(stream, false)
  const told = new Set<string>()
  let phase = -1
  let quietUntil = 0
  const write = (line: string) => stream.write(`${line}\n`)
  return {
    show(state) {
      for (const verdict of state.invariants) {
        if (verdict.violations === 0 || told.has(verdict.name)) continue
        told.add(verdict.name)
        write(formatViolation(state, verdict))
      }
      if (state.phase.index === phase && state.elapsedMs < quietUntil) return
      phase = state.phase.index
      quietUntil = state.elapsedMs + everyMs
      write(formatLine(state))
    },
    say: (line) => write(printable(line)),
    conclude: (report) => write(formatEnd(report, paint).join('\n')),
    [Symbol.dispose]: () => {},
  }
}
