/** As shells tell it: ended by Ctrl-C. */
export const interruptedCode = 130

/** Aborted by the first signal that asks us to end. Disposing of it gives the signals back. */
export function untilSignal(onSecond?: () => void): { signal: AbortSignal } & Disposable {
  const controller = new AbortController()
  const names = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const
  const end = () => {
    if (controller.signal.aborted) onSecond?.()
    controller.abort()
  }
  for (const name of names) process.on(name, end)
  return {
    signal: controller.signal,
    [Symbol.dispose]() {
      for (const name of names) process.off(name, end)
    },
  }
}

/** As `head` makes a program end by SIGPIPE: at once, or in order where there is something to take back. */
const brokenPipeCode = 141

/** Whoever reads what we write is gone. */
export function endWithReader(...streams: NodeJS.WriteStream[]): void {
  let isEnding = false
  const end = (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE') throw error
    if (isEnding) return
    isEnding = true
    if (process.listenerCount('SIGTERM') > 0) process.kill(process.pid, 'SIGTERM')
    else process.exit(brokenPipeCode)
  }
  for (const stream of streams) stream.on('error', end)
}
