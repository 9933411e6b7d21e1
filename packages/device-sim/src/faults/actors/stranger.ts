import type { KeyObject } from 'node:crypto'
import { connect, type TLSSocket } from 'node:tls'
import { isErrorCode } from '@muster/contracts'
import { generate, type Packet, parser } from 'mqtt-packet'
import { fromElsewhere } from './elsewhere.ts'

export interface StrangerOptions {
  broker: { host: string; port: number }
  /** Selects where it comes from. */
  seed: number
  credentials: { key: KeyObject; certificate: string; roots: string }
  clientId: string
  version: 4 | 5
  signal: AbortSignal
}

interface Ended {
  byUs: boolean
  reasonCode?: number
}

export type Reception =
  | { admitted: false; code: string }
  | { admitted: true /** When it set out. */; begunAt: number; leave(): void; ended: Promise<Ended> }

const timeoutMs = 20_000
/** The broker asks with it whether somebody is alive. */
const aliveId = 65_535

/** TLS to the broker with these credentials, from somewhere else. Rejects where there is none. */
export function openTls({ broker, seed, credentials, signal }: StrangerOptions): Promise<TLSSocket> {
  signal.throwIfAborted()
  const socket = connect({
    ...fromElsewhere(broker, seed),
    ...(/^[\d.]+$|:/.test(broker.host) ? {} : { servername: broker.host }),
    ca: credentials.roots,
    key: credentials.key.export({ type: 'pkcs8', format: 'pem' }),
    cert: credentials.certificate,
  })
  endWith(socket, signal)
  return new Promise((resolve, reject) => {
    socket.setTimeout(timeoutMs, () => socket.destroy(Object.assign(new Error('timeout'), { code: 'timeout' })))
    socket.on('error', reject)
    socket.on('close', () => reject(Object.assign(new Error('closed'), { code: 'closed' })))
    socket.once('secureConnect', () => {
      socket.setTimeout(0)
      resolve(socket)
    })
  })
}

/** Connects in the name of a device as somebody would who is not it, and says how that was taken. */
export async function openStranger(options: StrangerOptions): Promise<Reception> {
  const begunAt = Date.now()
  try {
    return await knock(await openTls(options), options, begunAt)
  } catch (error) {
    return { admitted: false, code: codeOfFailure(error) }
  }
}

export function codeOfFailure(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : 'closed'
}

/** Muster's own code where the broker says it (MQTT 5), else the number. */
export function codeOf(packet: Packet): string {
  const reason = packet.cmd === 'connack' || packet.cmd === 'disconnect' ? packet.properties?.reasonString : undefined
  const [named = ''] = reason?.split(':') ?? []
  if (isErrorCode(named)) return named
  const code = packet.cmd === 'connack' ? (packet.reasonCode ?? packet.returnCode) : undefined
  return `0x${(code ?? 0).toString(16).padStart(2, '0')}`
}

function knock(socket: TLSSocket, { clientId, version }: StrangerOptions, begunAt: number): Promise<Reception> {
  const send = (packet: Packet) => socket.write(generate(packet, { protocolVersion: version }))
  const packets = parser({ protocolVersion: version })
  const ended = Promise.withResolvers<Ended>()
  const end: Ended = { byUs: false }
  const leave = () => {
    end.byUs = true
    socket.destroy()
  }
  return new Promise((resolve) => {
    const timer = setTimeout(() => socket.destroy(), timeoutMs)
    packets.on('error', () => socket.destroy())
    packets.on('packet', (packet) => {
      if (packet.cmd === 'connack') {
        clearTimeout(timer)
        const code = packet.reasonCode ?? packet.returnCode ?? 0
        if (code !== 0) return resolve({ admitted: false, code: codeOf(packet) })
        resolve({ admitted: true, begunAt, leave, ended: ended.promise })
      }
      if (packet.cmd === 'disconnect' && packet.reasonCode !== undefined) end.reasonCode = packet.reasonCode
      if (packet.cmd === 'pubrel' && packet.messageId === aliveId) send({ cmd: 'pubcomp', messageId: aliveId })
      if (packet.cmd === 'publish' && packet.qos === 1 && packet.messageId !== undefined)
        send({ cmd: 'puback', messageId: packet.messageId, reasonCode: 0 })
    })
    socket.on('data', (chunk) => packets.parse(chunk))
    socket.on('close', () => {
      clearTimeout(timer)
      resolve({ admitted: false, code: 'closed' })
      ended.resolve(end)
    })
    const hello = { cmd: 'connect', protocolId: 'MQTT', clean: true, keepalive: 0 } as const
    send({ ...hello, protocolVersion: version, clientId })
  })
}

/** Ends a socket with the run. */
export function endWith(
  socket: { destroy(): void; once(event: 'close', listener: () => void): unknown },
  signal: AbortSignal,
) {
  const end = () => socket.destroy()
  signal.addEventListener('abort', end, { once: true })
  socket.once('close', () => signal.removeEventListener('abort', end))
}
