/** Asks until the answer is truthy. @throws the last error, or one that names what was waited for */
export async function waitFor<T>(
  what: string,
  ask: () => Promise<T> | T,
  { timeoutMs = 30_000, everyMs = 20 }: { timeoutMs?: number; everyMs?: number } = {},
): Promise<NonNullable<T>> {
  const end = performance.now() + timeoutMs
  let last: unknown
  while (performance.now() < end) {
    try {
      const answer = await ask()
      if (answer) return answer
      last = undefined
    } catch (error) {
      last = error
    }
    await new Promise((resolve) => setTimeout(resolve, everyMs))
  }
  throw new Error(`waited ${timeoutMs} ms in vain: ${what}`, { cause: last })
}

/** The first argument of the next `name` event. Ask before the cause: events that were are missed. */
export function nextEvent<T = unknown>(
  emitter: { once(name: string, listener: (value: T) => void): unknown },
  name: string,
  timeoutMs = 30_000,
): Promise<T> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error(`no ${name} event in ${timeoutMs} ms`)), timeoutMs)
    emitter.once(name, (value) => {
      clearTimeout(timer)
      resolve(value)
    })
  })
}
