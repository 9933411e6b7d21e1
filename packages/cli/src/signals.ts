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
