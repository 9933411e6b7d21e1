import { once } from 'node:events'

/** Aborts at SIGINT, SIGTERM, or when the parent process that talks to us over IPC has gone. */
export function watchShutdown(): AbortSignal {
  const controller = new AbortController()
  const stop = (why: string) => () => {
    // The channel to the parent would keep the process alive.
    if (process.connected) process.disconnect()
    controller.abort(new Error(why))
  }
  process.once('SIGINT', stop('SIGINT'))
  process.once('SIGTERM', stop('SIGTERM'))
  process.once('disconnect', stop('the parent process has gone'))
  return controller.signal
}

export async function shutdownRequested(signal: AbortSignal): Promise<void> {
  if (!signal.aborted) await once(signal, 'abort')
}
