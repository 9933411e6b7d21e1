import { reasonCodes } from '../mqtt/reason-codes.ts'
import type { Session } from './session.ts'

export interface Removal {
  connectionsClosed: number
  sessionPurged: boolean
}

/** What is kept of a session while no connection is there. */
export interface SessionRemains {
  purge(key: string): Promise<void>
  dropWill(key: string): Promise<void>
}

/** Every connection of this node that is admitted or about to be. */
export interface Sessions {
  /** From here on a change of the device reaches the connection: to be called before its admission is looked up. */
  arrive(session: Session): void
  /** The connection is not admitted, or not yet. */
  leave(session: Session): void
  /** Those of the device that came before it. */
  olderThan(session: Session): Session[]
  /** Those of a device that are served, in the order of their arrival. */
  live(key: string): Session[]
  /** Ends older connections of the device. `false` when this one is over already. */
  takeOver(session: Session): Promise<boolean>
  /** Shuts a device out: its connections are closed when this resolves, and with `purge` its session is gone. */
  remove(key: string, options: { reason: string; purge: boolean }): Promise<Removal>
  /** Shuts one connection out, whatever others the device has. */
  expel(session: Session, reason: string): Promise<void>
  list(): Session[]
  endAll(reasonCode: number, reason: string): Promise<void>
}

export function createSessions(remains: SessionRemains): Sessions {
  const table = new Map<string, Map<Session, Promise<void>>>()

  const of = (key: string) => [...(table.get(key) ?? [])]
  const list = () => [...table.values()].flatMap((same) => [...same.keys()])

  /** In the order of their arrival. */
  function before(session: Session) {
    const all = of(session.key)
    return all.slice(
      0,
      all.findIndex(([other]) => other === session),
    )
  }

  function leave(session: Session) {
    const same = table.get(session.key)
    same?.delete(session)
    if (same?.size === 0) table.delete(session.key)
  }

  function watch(session: Session): Promise<void> {
    const { socket } = session
    return new Promise((resolve, reject) => {
      const settle = () => {
        const left = session.transport.settled().then(() => leave(session))
        left.then(resolve, reject)
      }
      if (socket.closed) settle()
      else socket.on('close', settle)
    })
  }

  return {
    leave,
    olderThan: (session) => before(session).map(([older]) => older),
    live: (key) => of(key).flatMap(([session]) => (isServed(session) ? [session] : [])),

    arrive(session) {
      const same = table.get(session.key) ?? new Map<Session, Promise<void>>()
      table.set(session.key, same)
      if (!same.has(session)) same.set(session, watch(session))
    },

    async takeOver(session) {
      if (session.socket.destroyed) return false
      // Of many at once, each ends those before it and the last one stays.
      const older = before(session)
      for (const [other] of older) other.transport.end(reasonCodes.sessionTakenOver, 'a newer connection took over')
      await Promise.all(older.map(([, gone]) => gone))
      return !session.removed && !session.socket.destroyed
    },

    async remove(key, { reason, purge }) {
      const held = of(key)
      const closing = held.filter(([{ removed, socket }]) => !removed && !socket.destroyed)
      for (const [session] of held) session.removed = true
      for (const [session] of closing) session.transport.end(reasonCodes.administrativeAction, reason)
      await Promise.all(held.map(([, gone]) => gone))
      if (purge) await remains.purge(key)
      else await remains.dropWill(key)
      return { connectionsClosed: closing.length, sessionPurged: purge }
    },

    async expel(session, reason) {
      const gone = table.get(session.key)?.get(session)
      if (!gone || session.removed) return
      session.removed = true
      session.transport.end(reasonCodes.administrativeAction, reason)
      await gone
      if (!table.has(session.key)) await remains.dropWill(session.key)
    },

    list,

    async endAll(reasonCode, reason) {
      const all = [...table.values()].flatMap((same) => [...same])
      for (const [session] of all) session.transport.end(reasonCode, reason)
      await Promise.all(all.map(([, gone]) => gone))
    },
  }
}

const isServed = ({ connectedAt, removed, socket }: Session) =>
  connectedAt !== undefined && !removed && !socket.destroyed
