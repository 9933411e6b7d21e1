import { MusterError } from '@muster/contracts'
import { Aedes } from 'aedes'
import type { Limits } from '../limits.ts'
import type { Observer } from '../observer.ts'
import { grantFilter } from '../sessions/grant-filter.ts'
import type { Session } from '../sessions/session.ts'

import { clientTransport, guardPackets, openClient } from './client.ts'

import { coalesceWrites } from './coalesce-writes.ts'
import type { ClientPacket } from './guard/packets.ts'
import { readViolation } from './guard/violation.ts'
import { createHooks, type HookOptions } from './hooks.ts'
import { keepSessions } from './keep-sessions.ts'
import type { SessionStore } from './session-store.ts'

export interface MqttOptions extends HookOptions {
  node: string
  limits: Limits
  store: SessionStore
}

export interface Mqtt extends AsyncDisposable {
  /** Hands an admitted connection to aedes. */
  serve(session: Session): void
}

export async function openMqtt(options: MqttOptions): Promise<Mqtt> {
  const { node, limits, store, observer } = options
  const broker = await Aedes.createBroker({
    ...createHooks(options),
    id: node,
    persistence: store,
    // Unbounded: one slow reader then holds up only what is sent to it.
    concurrency: 0,
    connectTimeout: limits.connectMs,
    drainTimeout: limits.drainMs,
    maximumPacketSize: limits.packetBytes,
    receiveMaximum: limits.receiveMaximum,
    sessionExpiryIntervalLimit: limits.sessionExpirySeconds,
    maxClientsIdLength: 128,
  })
  broker.on('error' as 'closed', observer.failed as () => void)
  keepSessions(broker, store, observer.failed)

  return {
    serve(session) {
      coalesceWrites(session.socket)
      const client = openClient(broker, session)
      session.transport = clientTransport(client, session)
      const { opening } = session
      if (!opening) return void session.socket.destroy()
      opening.decoder.maxBytes = limits.packetBytes
      guardPackets(client, opening, {
        inspect(packet) {
          if (session.removed) return false
          observer.packetReceived(session, packet.cmd)
          trackFilters(session, packet, observer)
          return true
        },
        onViolation(error) {
          const violation = readViolation(error)
          observer.denied(session, violation)
          session.transport.end(violation.reasonCode, violation.message)
        },
      })
    },
    async [Symbol.asyncDispose]() {
      await new Promise<void>((resolve) => broker.close(resolve))
    },
  }
}

/** Judges the filters of a SUBSCRIBE together, before aedes keeps or acknowledges any of them. */
function trackFilters(session: Session, packet: ClientPacket, observer: Observer) {
  if (packet.cmd === 'unsubscribe') for (const filter of packet.unsubscriptions) session.filters.delete(filter)
  if (packet.cmd !== 'subscribe') return
  for (const subscription of packet.subscriptions) {
    const { topic, qos } = subscription
    const refused = grantFilter(session, topic)
    if (refused) observer.denied(session, new MusterError('subscribe-denied', refused))
    else subscription.qos = session.policy.grantedQos(topic, qos)
  }
}
