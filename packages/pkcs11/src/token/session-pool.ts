import type { Handle } from 'pkcs11js'

/** A PKCS#11 session does one thing at a time: as many as Node has threads for native work. */
export function poolSessions(sessions: readonly Handle[]) {
  const free = [...sessions]
  const waiting: ((session: Handle) => void)[] = []
  return async function withSession<T>(work: (session: Handle) => Promise<T>): Promise<T> {
    const session = free.pop() ?? (await new Promise<Handle>((resolve) => waiting.push(resolve)))
    try {
      return await work(session)
    } finally {
      const next = waiting.shift()
      if (next) next(session)
      else free.push(session)
    }
  }
}
