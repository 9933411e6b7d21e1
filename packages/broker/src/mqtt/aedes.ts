import { MusterError } from '@muster/contracts'
import { Aedes, type Client } from 'aedes'
import type { IConnackPacket } from 'mqtt-packet'
import type { Session } from '../sessions/session.ts'
import { ClientTransport, openClient, questionId, sessionOf } from './client.ts'
import { coalesceWrites } from './coalesce-writes.ts'
import { openDeliveries } from './delivery/attach.ts'
import { judgeSubscribe } from './delivery/judge-subscribe.ts'
import { quietBroker } from './delivery/quiet-broker.ts'
import { type Figures, openReports } from './delivery/report.ts'
import type { ClientPacket } from './guard/packets.ts'
import { createHooks, type HookOptions } from './hooks.ts'
import type { InboundOptions } from './inbound/inbound.ts'
import { Reading } from './inbound/reading.ts'
import { createReceivedOnce } from './inbound/received-once.ts'
import { createRoute } from './inbound/route.ts'
import { keepSessions, openKept } from './keep-sessions.ts'
import { reasonCodes } from './reason-codes.ts'
import type { SessionStore } from './session-store.ts'
import type { Body } from './store/packet.ts'

export interface MqttOptions extends HookOptions, Pick<InboundOptions, 'relay'> {
  node: string
  store: SessionStore
  /** What services are told of this node. */
  figures: Figures
}

export interface Mqtt extends AsyncDisposable {
  /** Hands an admitted connection to aedes. */
  serve(session: Session): void
  /** The will of a connection that ended with an earlier process; it is judged by the session's policy. */
  publishWill(session: Session, will: Body): void
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
    topicAliasMaximum: limits.topicAliases,
    sessionExpiryIntervalLimit: limits.sessionExpirySeconds,
    maxClientsIdLength: 128,
    ...{ sharedSubscriptions: true, connackProperties: announce, openSession: openKept(store) },
  })
  quietBroker(broker)
  broker.on('error' as 'closed', observer.failed as () => void)
  keepSessions(broker, store, observer.failed)
  const reports = openReports(broker as never, options.figures, limits, observer.failed)
  const deliveries = openDeliveries({ broker, store, limits, observer, reports })

  /** Whether aedes is to see the packet. */
  function inspect(client: Client, session: Session, packet: ClientPacket): boolean {
    if (session.removed) return false
    const wrong = judge(client, session, packet)
    if (wrong !== undefined) {
      observer.denied(session, new MusterError('packet-malformed', wrong))
      session.transport.end(reasonCodes.protocolError, wrong)
      return false
    }
    // Who asks on and on and reads no answer is cut off before it fills the memory.
    if (session.socket.writableLength > 2 * limits.outboundBytes) {
      observer.cutOff(session)
      session.socket.destroy()
    }
    return !(packet.cmd === 'puback' || packet.cmd === 'pubrec' || packet.cmd === 'pubcomp')
  }

  function judge(client: Client, session: Session, packet: ClientPacket): string | undefined {
    switch (packet.cmd) {
      case 'puback':
      case 'pubrec':
      case 'pubcomp':
        if (packet.cmd === 'pubcomp' && packet.messageId === questionId) session.answered()
        return deliveries.acknowledge(client, packet)
      case 'subscribe':
        return judgeSubscribe(session, packet as never, observer)
      case 'unsubscribe':
        for (const filter of packet.unsubscriptions) session.filters.delete(filter)
    }
    return undefined
  }

  const reading = { ...options, inspect, route: createRoute(broker, store), once: createReceivedOnce(store) }

  return {
    serve(session) {
      coalesceWrites(session.socket)
      const client = openClient(broker, session)
      deliveries.attach(client, session)
      session.transport = new ClientTransport(client, session)
      const { opening } = session
      if (!opening) return void session.socket.destroy()
      new Reading(client, session, opening, reading).start()
    },
    publishWill(session, { properties, ...will }) {
      const client = { id: session.key, req: session } as unknown as Client
      const { willDelayInterval: _, ...kept } = properties ?? {}
      const internals = broker as unknown as { publishWill(client: Client, will: object): void }
      internals.publishWill(client, { ...will, cmd: 'publish', dup: false, ...(properties && { properties: kept }) })
    },
    async [Symbol.asyncDispose]() {
      reports[Symbol.dispose]()
      await new Promise<void>((resolve) => broker.close(resolve))
      deliveries[Symbol.dispose]()
    },
  }
}

/** Of what a CONNACK announces, aedes knows only its own limits. [MQTT-3.2.2.3] */
function announce(client: Client, properties: NonNullable<IConnackPacket['properties']>): void {
  properties.retainAvailable = true
  properties.wildcardSubscriptionAvailable = true
  properties.subscriptionIdentifiersAvailable = true
  properties.sharedSubscriptionAvailable = sessionOf(client)?.isDevice === false
}
