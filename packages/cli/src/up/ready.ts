import { get } from 'node:http'
import { setTimeout as delay } from 'node:timers/promises'

const everyMs = 20

/** Waits until a process says on its own loopback port that it can do its work. */
export async function waitUntilReady(port: number, signal: AbortSignal): Promise<void> {
  while (!(await isReady(port))) await delay(everyMs, undefined, { signal })
  signal.throwIfAborted()
}

export function isReady(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const outgoing = get({ host: '127.0.0.1', port, path: '/readyz', agent: false, timeout: 2_000 }, (answer) => {
      answer.resume()
      resolve(answer.statusCode === 200)
    })
    outgoing.on('timeout', () => outgoing.destroy())
    outgoing.on('error', () => resolve(false))
  })
}
