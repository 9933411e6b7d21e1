import { connect as connectTcp, type Socket } from 'node:net'
import type { Credentials } from '@muster/device'
import { parser } from 'mqtt-packet'
import type { PlannedFault } from '../../plan/device-plan.ts'
import { createRandom } from '../../random.ts'
import type { Actor, ActorContext, Voice } from '../actor.ts'
import { fromElsewhere } from './elsewhere.ts'
import { type MalformedCase, openingCases, packetCases, wireCases } from './malformed-cases.ts'
import { pause } from './pause.ts'
import { codeOf, codeOfFailure, endWith, openTls } from './stranger.ts'

type Fault = Extract<PlannedFault, { do: 'malformed' }>

interface Sender {
  seed: number
  credentials: Credentials
}

/** So long a broker may take to make up its mind. */
const patienceMs = 30_000

/** A client that is broken: before TLS, before CONNECT, and on the device's own connection. */
export function playMalformed(fault: Fault): Actor {
  return async (context) => {
    const random = createRandom(fault.seed)
    const credentials = await context.credentials()
    const kinds = [
      { cases: wireCases, send: sendOnWire },
      { cases: openingCases, send: sendFirst },
      { cases: packetCases(context.plan.class.mqtt.version), send: sendAmongPackets },
    ]
    let turn = Math.floor(random() * kinds.length)
    while (await pause(fault.every, context.signal)) {
      const { cases, send } = kinds[turn % kinds.length] ?? { cases: [], send: sendOnWire }
      const chosen = cases[Math.floor(random() * cases.length)]
      turn += 1
      if (chosen) await send(context, chosen, { seed: fault.seed, credentials })
    }
  }
}

async function sendOnWire(context: ActorContext, { bytes }: MalformedCase, { seed }: Sender): Promise<void> {
  const { observe, broker, signal } = context
  observe({ saw: 'fault', fault: 'malformed' })
  const socket = connectTcp(fromElsewhere(broker, seed)).on('error', () => undefined)
  endWith(socket, signal)
  socket.write(Buffer.from(bytes, 'hex'))
  socket.resume()
  report(context, await codeAtClose(socket))
}

async function sendFirst(context: ActorContext, { bytes }: MalformedCase, sender: Sender): Promise<void> {
  const { observe, plan, broker, signal } = context
  observe({ saw: 'fault', fault: 'malformed' })
  const { version } = plan.class.mqtt
  try {
    const socket = await openTls({ ...sender, broker, clientId: plan.device, version, signal })
    const packets = parser({ protocolVersion: 5 })
    let code: string | undefined
    packets.on('packet', (packet) => {
      code = codeOf(packet)
    })
    packets.on('error', () => undefined)
    socket.on('data', (chunk) => packets.parse(chunk))
    socket.write(Buffer.from(bytes, 'hex'))
    const end = await codeAtClose(socket)
    report(context, code ?? end)
  } catch (error) {
    report(context, codeOfFailure(error))
  }
}

async function sendAmongPackets(context: ActorContext, { bytes }: MalformedCase): Promise<void> {
  const { observe, note, signal } = context
  const voice = context.voice()
  if (!voice) return
  observe({ saw: 'fault', fault: 'malformed' })
  voice.write(Buffer.from(bytes, 'hex'))
  const code = await reasonAtClose(voice, signal)
  if (code === undefined) return
  const text = `0x${code.toString(16)}`
  observe({ saw: 'refused', doing: 'publish', code: text })
  note('publish', text, true)
}

function report({ observe, note, signal }: ActorContext, code: string | undefined): void {
  if (code === undefined || signal.aborted) return
  observe({ saw: 'refused', doing: 'connect', code, attacker: true })
  note('connect', code, true)
}

/** Undefined where it is still open when the patience is over. */
async function codeAtClose(socket: Socket): Promise<string | undefined> {
  const closed = new Promise<string>((resolve) => socket.once('close', () => resolve('closed')))
  const waiting = new AbortController()
  const late = pause(patienceMs, waiting.signal).then(() => undefined)
  const code = await Promise.race([closed, late])
  waiting.abort()
  socket.destroy()
  return code
}

async function reasonAtClose(voice: Voice, signal: AbortSignal): Promise<number | undefined> {
  const waiting = new AbortController()
  const late = pause(patienceMs, AbortSignal.any([signal, waiting.signal])).then(() => undefined)
  const code = await Promise.race([voice.closed, late])
  waiting.abort()
  return code
}
