import { hostname } from 'node:os'
import type { World } from '../life/world.ts'
import { finishFleet } from './finish.ts'
import { createFleet, type Fleet } from './fleet.ts'
import { listOpen } from './list-open.ts'
import type { Order, Report } from './messages.ts'
import { createObserver } from './observer.ts'
import { playPhase } from './play-phase.ts'

const tickMs = 1_000

export interface WorkerPorts {
  receive(listener: (order: Order) => void): void
  send(report: Report): void
}

/** Plays the devices that it is assigned, as it is ordered. Resolves when it is told to stop. */
export function playWorker({ receive, send }: WorkerPorts): Promise<void> {
  const { promise: stopped, resolve: stop } = Promise.withResolvers<void>()
  let openBefore: string[] = []
  const observer = createObserver((observations) => send({ report: 'observed', observations }))
  const ending = new AbortController()
  let fleet: Fleet | undefined
  let ticking: NodeJS.Timeout | undefined

  const fail: World['fail'] = (error) => {
    const text = error instanceof Error ? (error.stack ?? error.message) : String(error)
    send({ report: 'failed', error: text })
  }
  const tick = () => fleet && send({ report: 'tick', ...fleet.account.tick() })
  const carryOut = async (order: Order): Promise<void> => {
    switch (order.order) {
      case 'assign':
        fleet = createFleet(order.assignment, { observe: observer.observe, fail })
        tick()
        ticking = setInterval(tick, tickMs)
        return
      case 'phase': {
        const { index } = order
        const zeroAt = performance.now() + order.in
        if (fleet) await playPhase(fleet, index, zeroAt, ending.signal)
        observer.flush()
        return send({ report: 'phase-done', index })
      }
      case 'told':
        return tell(fleet, order.what, order.devices)
      case 'finish': {
        ending.abort()
        const leftovers = fleet ? await finishFleet(fleet, openBefore) : []
        observer.flush()
        clearInterval(ticking)
        tick()
        return send({ report: 'finished', leftovers })
      }
      case 'stop':
        ending.abort()
        fleet?.acting.abort()
        fleet?.living.abort()
        for (const life of fleet?.lives.values() ?? []) if (life.power.isOn) life.shutDown()
        fleet?.scheduler.clear()
        clearInterval(ticking)
        observer.flush()
        return stop()
    }
  }
  receive((order) => {
    carryOut(order).catch((error: unknown) => {
      if (!ending.signal.aborted) fail(error)
    })
  })
  // With the channel that the orders come by, and what Node opens when it is first used.
  void [process.stdout, process.stderr]
  openBefore = listOpen()
  send({ report: 'ready', pid: process.pid, host: hostname(), rssBytes: process.memoryUsage.rss() })
  return stopped
}

function tell(fleet: Fleet | undefined, what: 'revoked' | 'suspended' | 'resumed', devices: readonly string[]): void {
  for (const device of devices) {
    const life = fleet?.byName.get(device)
    if (!life) continue
    if (what === 'resumed') life.resume()
    else life.told = what
  }
}
