import { Counter, Gauge, type Registry } from 'prom-client'
import { type Arrivals, dropReasons } from './arrivals.ts'

export function createEdgeMetrics(
  registry: Registry,
  read: {
    counts(): ReturnType<Arrivals['counts']>
    penalised(): Record<'address' | 'certificate' | 'detained', number>
  },
) {
  const registers = [registry]
  new Gauge({
    name: 'muster_broker_arrivals',
    help: 'Connections before their admission: silent or half a ClientHello, waiting for their turn, in the handshake',
    labelNames: ['stage'],
    registers,
    collect() {
      const { starting, waiting, handshakes } = read.counts()
      this.set({ stage: 'starting' }, starting)
      this.set({ stage: 'waiting' }, waiting)
      this.set({ stage: 'handshake' }, handshakes)
    },
  })
  new Gauge({
    name: 'muster_broker_handshakes_per_turn',
    help: 'TLS handshakes that one turn of the event loop may begin; fewer while turns are long',
    registers,
    collect() {
      this.set(read.counts().perTurn)
    },
  })
  new Gauge({
    name: 'muster_broker_penalties',
    help: 'Addresses that are heard rarely, refused certificates that are remembered, and connections of theirs that are made to wait',
    labelNames: ['of'],
    registers,
    collect() {
      for (const [of, count] of Object.entries(read.penalised())) this.set({ of }, count)
    },
  })
  const dropped = new Counter({
    name: 'muster_broker_arrivals_dropped_total',
    help: 'Connections dropped before the end of their TLS handshake',
    labelNames: ['why'],
    registers,
  })
  for (const why of dropReasons) dropped.inc({ why }, 0)
  return { dropped }
}
