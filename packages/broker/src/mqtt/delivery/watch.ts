import type { Limits } from '../../limits.ts'
import type { Observer } from '../../observer.ts'
import type { Session } from '../../sessions/session.ts'
import type { Outlet } from './outlet.ts'

/** Cuts off clients that take nothing of what waits for them. */
export interface Watch extends Disposable {
  add(outlet: Outlet): void
  /** Of connections that were there at the last look, and came since. */
  outlets(): Iterable<Outlet>
}

/** One clock for all connections. */
export function openWatch({ drainMs }: Pick<Limits, 'drainMs'>, observer: Pick<Observer, 'cutOff'>): Watch {
  const outlets = new Set<Outlet>()

  function look() {
    const now = Date.now()
    for (const outlet of outlets) {
      const { socket } = outlet.session
      if (socket.destroyed) outlets.delete(outlet)
      else if (socket.writableLength === 0) outlet.stuckSince = 0
      else if (isStuck(outlet, now, drainMs)) {
        observer.cutOff(outlet.session)
        socket.destroy()
      }
    }
  }

  const timer = setInterval(look, Math.max(50, Math.min(1_000, drainMs / 4)))
  timer.unref()
  return { add: (outlet) => outlets.add(outlet), outlets: () => outlets, [Symbol.dispose]: () => clearInterval(timer) }
}

function isStuck(outlet: Outlet, now: number, drainMs: number): boolean {
  const mark = markOf(outlet.session.socket)
  if (outlet.stuckSince === 0 || outlet.stuckAt !== mark) {
    outlet.stuckSince = now
    outlet.stuckAt = mark
    return false
  }
  return now - outlet.stuckSince >= drainMs
}

/** Changes when anything of what waits is taken: for the stream a large write is one, until the kernel has all of it. */
function markOf(socket: Session['socket']): number {
  const { _handle: handle } = socket as unknown as { _handle?: { bytesWritten?: number; writeQueueSize?: number } }
  if (handle?.bytesWritten === undefined) return socket.writableLength
  return handle.bytesWritten - (handle.writeQueueSize ?? 0)
}
