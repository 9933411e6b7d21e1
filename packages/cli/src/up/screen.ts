/** Lines as things happen; on a terminal also one line at the bottom that is drawn again and again. */
export interface Screen extends Disposable {
  line(text: string): void
  /** Off a terminal it becomes a line, at most one in `quietMs`. */
  status(text: string): void
}

interface Options {
  stream: NodeJS.WritableStream & { isTTY?: boolean; columns?: number }
  now?: () => number
  quietMs?: number
}

const clear = '\r\x1b[K'

export function openScreen({ stream, now = () => performance.now(), quietMs = 10_000 }: Options): Screen {
  const redraws = stream.isTTY === true
  let status = ''
  let quietUntil = Number.NEGATIVE_INFINITY
  const draw = () => stream.write(status.slice(0, (stream.columns ?? 80) - 1))
  return {
    line(text) {
      if (redraws && status) stream.write(clear)
      stream.write(`${text}\n`)
      if (redraws && status) draw()
    },
    status(text) {
      if (redraws) {
        status = text
        stream.write(clear)
        draw()
      } else if (text && now() >= quietUntil) {
        quietUntil = now() + quietMs
        stream.write(`${text}\n`)
      }
    },
    [Symbol.dispose]() {
      if (redraws && status) stream.write(clear)
      status = ''
    },
  }
}
