/** Aborts when the process is asked to end; the second time it ends the hard way. */
export function endingBySignal(): AbortSignal {
  const ending = new AbortController()
  for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, () => ending.abort())
  return ending.signal
}
