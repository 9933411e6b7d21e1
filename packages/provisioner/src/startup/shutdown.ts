const signals = ['SIGINT', 'SIGTERM'] as const

/** Resolves when the process is told to end, or its parent is gone. */
export function shutdownRequested(): Promise<string> {
  return new Promise((resolve) => {
    const finish = (why: string) => {
      for (const signal of signals) process.off(signal, finish)
      process.off('disconnect', onDisconnect)
      // The channel to the parent would keep the process alive.
      if (process.connected) process.disconnect()
      resolve(why)
    }
    const onDisconnect = () => finish('the parent process is gone')
    for (const signal of signals) process.on(signal, finish)
    process.on('disconnect', onDisconnect)
  })
}
