import { join } from 'node:path'
import { type Enrolment, MusterError } from '@muster/contracts'
import { connect, type DeviceStore, enrol, memoryStore, openStore } from '@muster/device'
import type { MqttClient } from 'mqtt'
import type { Emit } from '../events.ts'
import { type FleetSettings, nameDevice } from '../options.ts'
import type { Statistics, Step } from '../statistics.ts'
import { answerCommands } from './answer-commands.ts'
import { publishReadings } from './publish-readings.ts'
import { renewForLife } from './renew-for-life.ts'
import { createSensor } from './sensor.ts'
import { watchConnection } from './watch-connection.ts'

export interface LifeContext {
  settings: FleetSettings
  statistics: Statistics
  emit: Emit
  /** The end of the fleet. */
  signal: AbortSignal
  whenFree: <Result>(task: () => Promise<Result>) => Promise<Result>
}

export interface Life extends LifeContext {
  /** Selects the device's name and its random numbers. */
  index: number
  device: string
  store: DeviceStore
  sensor: ReturnType<typeof createSensor>
}

const endMs = 2_000

/** The life of one device; resolves when the fleet ends or the device was refused for good. */
export async function simulateDevice(index: number, context: LifeContext): Promise<void> {
  const { settings, statistics } = context
  const device = nameDevice(settings.prefix, index)
  const store = settings.store === undefined ? memoryStore() : await openStore(join(settings.store, device))
  const life: Life = { ...context, index, device, store, sensor: createSensor(settings.seed, index) }
  statistics.counts.started += 1

  const enrolment = await unlessRefused(life, 'enrol', () => enrolDevice(life))
  if (!enrolment) return
  const client = await unlessRefused(life, 'connect', () => connectDevice(life))
  if (!client) return
  try {
    await liveConnected(life, client, enrolment)
  } finally {
    await endClient(client)
  }
}

async function enrolDevice({ device, store, sensor, settings, statistics, emit, signal, whenFree }: Life) {
  const { url, claim, keyAlgorithm } = settings
  return whenFree(async () => {
    signal.throwIfAborted()
    const known = (await store.loadEnrolment()) !== undefined
    const startedAt = performance.now()
    const enrolment = await enrol({
      ...{ url, claim, store, device, keyAlgorithm, signal },
      attributes: sensor.attributes,
      onRetry({ error, delayMs }) {
        statistics.fail('enrol', error.code)
        emit({ type: 'retry', device, code: error.code, delayMs })
      },
    })
    const ms = performance.now() - startedAt
    if (!known) statistics.record('enrol', ms)
    statistics.counts.enrolled += 1
    emit({ type: 'enrolled', device, ...(!known && { ms }) })
    return enrolment
  })
}

async function connectDevice({ device, store, settings, statistics, emit, signal }: Life): Promise<MqttClient> {
  const startedAt = performance.now()
  const client = await connect({ store, signal, protocolVersion: settings.protocolVersion })
  const ms = performance.now() - startedAt
  statistics.record('connect', ms)
  emit({ type: 'connected', device, ms })
  return client
}

async function liveConnected(life: Life, client: MqttClient, enrolment: Enrolment): Promise<void> {
  const { promise: ended, resolve: end } = Promise.withResolvers<void>()
  if (life.signal.aborted) end()
  life.signal.addEventListener('abort', () => end(), { once: true })
  watchConnection(life, client, (code) => {
    if (!life.signal.aborted) refuse(life, 'connect', code)
    end()
  })
  answerCommands(life, client, enrolment)
  const stopPublishing = publishReadings(life, client, enrolment)
  {
    await using _ = life.settings.renew ? renewForLife(life, client) : undefined
    await ended
  }
  stopPublishing()
}

async function unlessRefused<Result>(
  life: Life,
  step: Step,
  attempt: () => Promise<Result>,
): Promise<Result | undefined> {
  try {
    return await attempt()
  } catch (error) {
    if (life.signal.aborted) return undefined
    if (!(error instanceof MusterError)) throw error
    refuse(life, step, error.code)
    return undefined
  }
}

function refuse({ statistics, emit, device }: Life, step: Step, code: string): void {
  statistics.fail(step, code)
  statistics.counts.refused += 1
  emit({ type: 'refused', device, code })
}

/** Lets what is in flight be acknowledged, if the broker is there to do it. */
async function endClient(client: MqttClient): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>()
  const hurry = setTimeout(() => {
    client.stream.destroy()
    resolve()
  }, endMs)
  if (client.connected) client.end(() => resolve())
  else client.end(true, () => resolve())
  await promise
  clearTimeout(hurry)
}
