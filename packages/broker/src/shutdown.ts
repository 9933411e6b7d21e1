const signals = ['SIGINT', 'SIGTERM'] as const

/** Aborts when the process is told to end, or its parent is gone. A second signal ends it the hard way. */
export function watchShutdown(): AbortSignal {
  const controller = new AbortController()
  const finish = (why: string) => {
    for (const signal of signals) process.off(signal, finish)
    process.off('disconnect', onDisconnect)
    leaveParent()
    controller.abort(new Error(why))
  }
  const onDisconnect = () => finish('the parent process is gone')
  for (const signal of signals) process.on(signal, finish)
  process.on('disconnect', onDisconnect)
  return controller.signal
}

/** The channel to the parent would keep the process alive. */
export function leaveParent(): void {
  if (process.connected) process.disconnect()
}
