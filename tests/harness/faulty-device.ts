import { setTimeout as sleep } from 'node:timers/promises'
import { MusterError } from '@muster/contracts'
import { connect, enrol, loadCredentials, renew } from '@muster/device'
import { parseScenario, planDevice } from '@muster/device-sim'
import { type ActorContext, type Equipment, equip, PowerCut, type Seen, type Voice } from '@muster/device-sim/faults'
import { ErrorWithSubackPacket, type MqttClient } from 'mqtt'
import type { Stack } from './stack.ts'

export interface FaultyDevice extends AsyncDisposable {
  id: string
  claim: string
  equipment: Equipment
  seen: Seen[]
  /** `<doing>:<code>`, as an actor counted it, and whether it was to be expected. */
  notes: { reason: string; expected: boolean }[]
  /** What ended its life, if it was a refusal. */
  refusal: MusterError | undefined
  /** How often it was switched on. */
  boots: number
  /** Once it is at work: has published, and renewed where it should. */
  working: Promise<void>
  faults(kind: string): Seen[]
}

export interface FaultyDeviceOptions {
  id: string
  faults: object[]
  claim?: string
  renews?: boolean
  /** Of its class. */
  settings?: object
}

const quick = { minMs: 20, maxMs: 200 }

/** One device of the simulator with software as simple as a device's can be; it lives until it is disposed of or refused. */
export async function playDevice(stack: Stack, options: FaultyDeviceOptions): Promise<FaultyDevice> {
  const { id, faults, renews = false, settings = {} } = options
  const classes = { d: { count: 1, claim: 'each', telemetry: [{ every: '1s' }], faults, ...settings } }
  const phases = [
    { do: 'boot', over: '1s' },
    { do: 'renew', over: '1s' },
    { do: 'revoke', over: '1s' },
  ]
  const text = JSON.stringify({ name: 'a', title: 'A', devices: classes, phases })
  const plan = { ...planDevice(parseScenario(text).scenario, 'sim', 0), device: id }
  const ending = new AbortController()
  const working = Promise.withResolvers<void>()
  const refused = Promise.withResolvers<void>()
  let session = new AbortController()
  let client: MqttClient | undefined
  let voice: Voice | undefined
  let offMs = 0
  const device: FaultyDevice = {
    ...{ id, seen: [], notes: [], refusal: undefined, boots: 0, working: working.promise },
    claim: options.claim ?? (await stack.createClaim({ device: id })),
    equipment: equip(plan, {
      seed: 1,
      observe: (seen) => device.seen.push(seen),
      cut(ms) {
        offMs = ms
        session.abort(new PowerCut())
      },
      signal: ending.signal,
    }),
    faults: (kind) => device.seen.filter((seen) => seen.saw === 'fault' && seen.fault === kind),
    async [Symbol.asyncDispose]() {
      ending.abort(new Error('over'))
      session.abort(new Error('over'))
      await life
      await Promise.all(acting)
    },
  }
  const { equipment } = device
  const url = `https://localhost:${stack.ports.api}`
  const context: ActorContext = {
    ...{ plan, run: 'run', claim: device.claim, url, broker: { host: 'localhost', port: stack.ports.mqtt } },
    credentials: () => loadCredentials(equipment.store),
    observe: (seen) => device.seen.push(seen),
    note: (doing, code, expected) => device.notes.push({ reason: `${doing}:${code}`, expected }),
    refused: refused.promise,
    voice: () => (client?.connected ? voice : undefined),
    signal: ending.signal,
  }
  const acting: Promise<void>[] = []
  const started = new Set<string>()
  const start = (at: 'boot' | 'connected') => {
    if (started.has(at)) return
    started.add(at)
    acting.push(...equipment.actors.filter((actor) => actor.at === at).map(({ act }) => act(context)))
  }

  const boot = async () => {
    session = new AbortController()
    equipment.boot()
    device.boots += 1
    const surroundings = { ...quick, store: equipment.store, dial: equipment.dial, now: equipment.now }
    const { signal } = session
    equipment.step('boot')
    start('boot')
    await enrol({ ...surroundings, signal, url, claim: device.claim, device: id })
    client = await connect({ ...surroundings, signal, maxReconnectMs: 500, refusedRetryMs: 500 })
    voice = voiceOf(client)
    const ended = untilRefused(client, signal)
    ended.catch(() => undefined)
    equipment.step('connected')
    start('connected')
    await Promise.race([client.publishAsync(`fleets/default/devices/${id}/telemetry/t`, '1', { qos: 1 }), ended])
    equipment.step('published')
    if (renews) await renew({ ...surroundings, signal, newKey: true })
    working.resolve()
    await ended
  }
  const live = async (): Promise<void> => {
    while (!ending.signal.aborted) {
      try {
        await boot()
      } catch (error) {
        if (error instanceof MusterError) {
          device.refusal = error
          refused.resolve()
          return
        }
        if (!(error instanceof PowerCut) && !ending.signal.aborted) throw error
      } finally {
        client?.end(true)
        client = undefined
      }
      await sleep(offMs, undefined, { signal: ending.signal }).catch(() => undefined)
    }
  }
  const life = live()
  life.catch(working.reject)
  return device
}

/** Rejects with the broker's code where it throws the device out, or with what ended the session. */
function untilRefused(client: MqttClient, signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    signal.addEventListener('abort', () => reject(signal.reason), { once: true })
    client.on('packetreceive', (packet) => {
      const reason = packet.cmd === 'disconnect' ? (packet.properties?.reasonString ?? '') : ''
      if (reason.startsWith('device-')) reject(new MusterError('device-revoked', reason))
    })
    client.on('error', () => undefined)
  })
}

/** Speaks over whatever connection the client has at the moment. */
function voiceOf(client: MqttClient): Voice {
  const codeOf = (error: unknown) => {
    if (error instanceof ErrorWithSubackPacket) return Number(error.packet.granted[0])
    return error instanceof Error && 'code' in error && typeof error.code === 'number' ? error.code : 0xff
  }
  let reasonCode: number | undefined
  client.on('disconnect', (packet) => {
    reasonCode = packet.reasonCode
  })
  return {
    version: 5,
    publish: (topic, payload, qos) => client.publishAsync(topic, payload, { qos }).then(() => 0, codeOf),
    subscribe: (topic, qos) => client.subscribeAsync(topic, { qos }).then(([grant]) => grant?.qos ?? 0xff, codeOf),
    write: (bytes) => void client.stream.write(bytes),
    pause: () => void client.stream.pause(),
    resume: () => void client.stream.resume(),
    get closed() {
      return new Promise<number | undefined>((resolve) => client.once('close', () => resolve(reasonCode)))
    },
  }
}
