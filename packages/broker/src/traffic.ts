import { Counter, type Registry } from 'prom-client'
import type { Session } from './sessions/session.ts'

/** A socket that counts; those of WebSockets do not. */
interface Counting {
  bytesRead?: number
  bytesWritten?: number
}

export interface Traffic {
  /** The connection has been admitted. */
  follow(session: Session): void
}

/** Bytes of MQTT, of connections that have ended and of those that live. */
export function createTraffic(registry: Registry, list: () => Session[]): Traffic {
  const ended = { in: 0, out: 0 }
  const read = ({ socket }: Session) => {
    const { bytesRead = 0, bytesWritten = 0 } = socket as Counting
    return { in: bytesRead, out: bytesWritten }
  }
  new Counter({
    name: 'muster_broker_bytes_total',
    help: 'Bytes of MQTT received and sent',
    labelNames: ['direction'],
    registers: [registry],
    collect() {
      const total = { ...ended }
      for (const session of list()) {
        if (session.socket.closed) continue
        const bytes = read(session)
        total.in += bytes.in
        total.out += bytes.out
      }
      this.reset()
      for (const direction of ['in', 'out'] as const) this.inc({ direction }, total[direction])
    },
  })
  return {
    follow(session) {
      session.socket.on('close', () => {
        const bytes = read(session)
        ended.in += bytes.in
        ended.out += bytes.out
      })
    },
  }
}
