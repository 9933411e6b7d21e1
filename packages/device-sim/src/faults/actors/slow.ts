import { connect as connectTcp, type Socket } from 'node:net'
import { generate } from 'mqtt-packet'
import type { PlannedFault } from '../../plan/device-plan.ts'
import type { Actor, ActorContext } from '../actor.ts'
import { fromElsewhere } from './elsewhere.ts'
import { pause } from './pause.ts'
import { codeOfFailure, endWith, openTls } from './stranger.ts'

type Fault = Extract<PlannedFault, { do: 'slow' }>

const byteMs = 250
const betweenMs = 5_000
const deafMs = 20_000
/** At four bytes a second it takes longer than anybody waits. */
const longBytes = 5_000

/** A client that costs others time: one byte after another, or deaf for what it is sent. */
export function playSlow(fault: Fault): Actor {
  const once = { handshake: dripHandshake, connect: dripConnect, read: stopReading }[fault.how]
  return async (context) => {
    do await once(context, fault.seed)
    while (await pause(betweenMs, context.signal))
  }
}

async function dripHandshake(context: ActorContext, seed: number): Promise<void> {
  const { broker, signal, observe } = context
  observe({ saw: 'fault', fault: 'slow' })
  const socket = connectTcp(fromElsewhere(broker, seed)).on('error', () => undefined)
  endWith(socket, signal)
  // The beginning of a ClientHello of 1,536 bytes.
  await drip(socket, Buffer.concat([Buffer.from('16030106000100', 'hex'), Buffer.alloc(longBytes)]))
  report(context, 'closed')
}

async function dripConnect(context: ActorContext, seed: number): Promise<void> {
  const { plan, broker, signal, observe } = context
  observe({ saw: 'fault', fault: 'slow' })
  const credentials = await context.credentials()
  const { version } = plan.class.mqtt
  try {
    const socket = await openTls({ broker, seed, credentials, clientId: plan.device, version, signal })
    const hello = { cmd: 'connect', protocolId: 'MQTT', protocolVersion: version, clean: true } as const
    const secret = { username: 'x', password: Buffer.alloc(longBytes) }
    await drip(socket, generate({ ...hello, clientId: plan.device, keepalive: 60, ...secret }))
    report(context, 'closed')
  } catch (error) {
    report(context, codeOfFailure(error))
  }
}

/** On the device's own connection. */
async function stopReading({ voice, observe, signal }: ActorContext): Promise<void> {
  const own = voice()
  if (!own) return
  observe({ saw: 'fault', fault: 'slow' })
  own.pause()
  const waiting = new AbortController()
  const late = pause(deafMs, AbortSignal.any([signal, waiting.signal]))
  await Promise.race([own.closed, late])
  waiting.abort()
  own.resume()
}

function report({ note, observe, signal }: ActorContext, code: string): void {
  if (signal.aborted) return
  observe({ saw: 'refused', doing: 'connect', code, attacker: true })
  note('connect', code, true)
}

/** Until the other side has had enough. */
async function drip(socket: Socket, bytes: Buffer): Promise<void> {
  let sent = 0
  const timer = setInterval(() => {
    socket.write(bytes.subarray(sent, sent + 1))
    sent += 1
  }, byteMs).unref()
  socket.resume()
  await new Promise<void>((resolve) => socket.once('close', () => resolve()))
  clearInterval(timer)
}
