import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client'

export type Metrics = ReturnType<typeof createMetrics>

export function createMetrics(options: {
  connections(): number
  certificateEnds(): Date | undefined
  kept(): Record<string, number> | undefined
  mayKeep(): boolean
}) {
  const registry = new Registry()
  const registers = [registry]
  collectDefaultMetrics({ register: registry })
  new Gauge({
    name: 'muster_broker_connections',
    help: 'Connections admitted or being judged',
    registers,
    collect() {
      this.set(options.connections())
    },
  })
  new Gauge({
    name: 'muster_broker_certificate_seconds',
    help: 'Time until the certificate that this node presents ends',
    registers,
    collect() {
      const ends = options.certificateEnds()
      if (ends) this.set((ends.getTime() - Date.now()) / 1_000)
    },
  })
  new Gauge({
    name: 'muster_broker_kept',
    help: 'What is kept on disk: sessions, queued entries, messages that they share, retained messages and their bytes, wills',
    labelNames: ['what'],
    registers,
    collect() {
      for (const [what, count] of Object.entries(options.kept() ?? {})) this.set({ what }, count)
    },
  })
  new Gauge({
    name: 'muster_broker_sessions_writable',
    help: '1 while sessions can grow; 0 when the disk is full or fails',
    registers,
    collect() {
      this.set(options.mayKeep() ? 1 : 0)
    },
  })
  return {
    registry,
    vouched: new Counter({
      name: 'muster_broker_vouched_total',
      help: 'Certificates judged by what this node knew before the registry went away',
      registers,
    }),
    answers: new Counter({
      name: 'muster_broker_elsewhere_total',
      help: 'Connections of devices that the registry had at another node, by what that node said; late: not in time, none: not at all',
      labelNames: ['outcome'],
      registers,
    }),
    retries: new Counter({
      name: 'muster_broker_store_retries_total',
      help: 'Batches of telemetry that could not be stored, and are tried again',
      registers,
    }),
    relieved: new Counter({
      name: 'muster_broker_telemetry_refused_total',
      help: 'Connections ended with messages that could not be stored',
      registers,
    }),
    disconnections: new Counter({
      name: 'muster_broker_disconnections_total',
      help: 'Connections that have ended, by the client or for which reason by the broker',
      labelNames: ['why'],
      registers,
    }),
    admissions: new Counter({ name: 'muster_broker_admissions_total', help: 'Connections admitted', registers }),
    handshakesFailed: new Counter({
      name: 'muster_broker_handshakes_failed_total',
      help: 'TLS handshakes that ended without a certificate to judge',
      registers,
    }),
    refusals: new Counter({
      name: 'muster_broker_refusals_total',
      help: 'Refused connections, publications, subscriptions and wills',
      labelNames: ['code'],
      registers,
    }),
    refusalsDropped: new Counter({
      name: 'muster_broker_refusals_dropped_total',
      help: 'Refusals that are not on record because the database does not take them',
      registers,
    }),
    packets: new Counter({
      name: 'muster_broker_packets_received_total',
      help: 'MQTT packets received',
      labelNames: ['type'],
      registers,
    }),
    received: new Counter({
      name: 'muster_broker_messages_received_total',
      help: 'Messages published by clients',
      labelNames: ['qos'],
      registers,
    }),
    stored: new Counter({ name: 'muster_broker_telemetry_stored_total', help: 'Messages committed', registers }),
    dropped: new Counter({
      name: 'muster_broker_messages_dropped_total',
      help: 'Messages not stored or not delivered: no room, a slow reader, expired, above the client’s packet size',
      labelNames: ['why'],
      registers,
    }),
    delivered: new Counter({
      name: 'muster_broker_messages_sent_total',
      help: 'Messages sent to clients',
      labelNames: ['qos'],
      registers,
    }),
    cutOff: new Counter({
      name: 'muster_broker_slow_readers_cut_off_total',
      help: 'Connections closed because they read nothing of what waited for them',
      registers,
    }),
    renewals: new Counter({
      name: 'muster_broker_renewals_total',
      help: 'Renewals asked for over MQTT and passed on, and answers delivered',
      labelNames: ['step'],
      registers,
    }),
    storeSeconds: new Histogram({
      name: 'muster_broker_store_seconds',
      help: 'Time to commit a batch of telemetry',
      buckets: [0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.5, 1, 5],
      registers,
    }),
    sessionSeconds: new Histogram({
      name: 'muster_broker_session_write_seconds',
      help: 'Time to write a batch of changes of sessions to disk',
      buckets: [0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.05, 0.1, 1, 5],
      registers,
    }),
    changeSeconds: new Histogram({
      name: 'muster_broker_change_seconds',
      help: 'Time from the commit of a suspension, revocation or retirement to the connections being closed',
      labelNames: ['kind'],
      buckets: [0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1, 5, 60],
      registers,
    }),
  }
}
