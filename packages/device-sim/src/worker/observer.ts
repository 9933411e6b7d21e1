import type { Observation } from '../observations.ts'

const everyMs = 200
const mostAtOnce = 2_000

/** Sends what devices see in batches: soon, but not for each by itself. */
export function createObserver(send: (observations: Observation[]) => void) {
  let waiting: Observation[] = []
  let timer: NodeJS.Timeout | undefined
  const flush = () => {
    clearTimeout(timer)
    timer = undefined
    if (waiting.length > 0) send(waiting)
    waiting = []
  }
  return {
    observe(observation: Observation): void {
      waiting.push(observation)
      if (waiting.length >= mostAtOnce) flush()
      else timer ??= setTimeout(flush, everyMs)
    },
    flush,
  }
}
