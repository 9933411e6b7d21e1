import { type EventEmitter, once } from 'node:events'
import type { TLSSocket } from 'node:tls'
import { generate, type IConnectPacket, type Packet, parser } from 'mqtt-packet'
import { vi } from 'vitest'

/** The first value of the next event of that name. */
export function nextEvent(emitter: unknown, event: string): Promise<unknown> {
  return once(emitter as EventEmitter, event).then(([value]) => value)
}

/** Sends packets and collects what comes back, with no client library in between. */
export function rawClient(socket: TLSSocket, protocolVersion: 4 | 5 = 4) {
  const received: Packet[] = []
  const closed = new Promise<void>((resolve) => socket.once('close', () => resolve()))
  const packets = parser({ protocolVersion })
  packets.on('packet', (packet) => received.push(packet))
  socket.on('data', (chunk) => packets.parse(chunk))
  const find = (cmd: Packet['cmd']) => received.filter((packet) => packet.cmd === cmd)
  const hello = { cmd: 'connect', protocolId: 'MQTT', protocolVersion, clean: true, keepalive: 30 } as const
  return {
    received,
    find,
    closed,
    next: (cmd: Packet['cmd'], count = 1) =>
      vi.waitFor(() => {
        const packet = find(cmd)[count - 1]
        if (!packet) throw new Error(`no ${cmd} yet`)
        return packet
      }, 5_000),
    send: (packet: Packet) => socket.write(generate(packet, { protocolVersion })),
    connect: (clientId: string, options: Partial<IConnectPacket> = {}) =>
      socket.write(generate({ ...hello, clientId, ...options })),
  }
}
