import { execFile } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import type { MqttClient } from 'mqtt'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type RunningProcess, startProcess } from './harness/process.ts'
import { type Stack, startStack } from './harness/stack.ts'
import { waitFor } from './harness/wait.ts'

let stack: Stack
let backend: MqttClient
let folder: string
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'muster-clients-'))
  const source = join(import.meta.dirname, 'clients/paho-c.c')
  await promisify(execFile)('cc', ['-Wall', '-Werror', '-o', join(folder, 'paho'), source, '-lpaho-mqtt3cs'])
  stack = await startStack()
  await writeFile(join(folder, 'ca.pem'), stack.ca)
  backend = await (await stack.enrolDevice('backend', { profile: 'service' })).connect()
})
afterAll(async () => {
  await backend?.endAsync(true)
  await stack?.[Symbol.asyncDispose]()
  await rm(folder, { recursive: true, force: true })
})

/** Enrols, and leaves key and certificate where foreign programs find them. */
async function enrolInFiles(id: string) {
  const { credentials } = await stack.enrolDevice(id)
  const file = (kind: string) => join(folder, `${id}.${kind}`)
  await writeFile(file('crt'), credentials.cert)
  await writeFile(file('key'), credentials.key, { mode: 0o600 })
  return { ca: join(folder, 'ca.pem'), cert: file('crt'), key: file('key') }
}

const command = (id: string, payload: string) =>
  backend.publishAsync(`fleets/default/devices/${id}/commands/do`, payload, { qos: 1 })

const storedOf = async (id: string) =>
  (await stack.api(`/v1/devices/${id}/telemetry`)).json.items.map(
    ({ payload, qos }: { payload: string; qos: number }) => `${payload} at ${qos}`,
  ) as string[]

const stored = (id: string, levels: number[]) =>
  waitFor('all of it is stored', async () => (await storedOf(id)).length >= levels.length).then(async () =>
    expect((await storedOf(id)).sort()).toEqual(levels.map((qos) => `qos ${qos} at ${qos}`)),
  )

const refusedFilter = (level: number) => (level === 5 ? 0x87 : 0x80)

describe.each<[string, () => string[], number[]]>([
  ['paho for Python', () => ['/usr/bin/python3', 'tests/clients/paho-python.py'], [0, 1, 2]],
  ['paho for C', () => [join(folder, 'paho')], [0, 1, 2]],
  ['u8-mqtt', () => [process.execPath, 'tests/clients/u8.mjs'], [0, 1]],
])('%s', (name, program, levels) => {
  test.each([4, 5])('lives a life of a device with its own certificate (level %i)', async (level) => {
    const id = `${name.toLowerCase().replaceAll(' ', '-')}-${level}`
    const { ca, cert, key } = await enrolInFiles(id)
    const [executable = '', ...args] = program()
    const start = (visit: string): RunningProcess => {
      const own = ['localhost', String(stack.ports.mqtt), ca, cert, key, id, String(level), visit]
      return startProcess(executable, [...args, ...own])
    }

    await using first = start('first')
    await first.prints(/^granted 1$/m)
    await command(id, 'while here')
    expect(await first.exited(), first.output()).toBe(0)
    expect(first.output().trim().split('\n')).toEqual([
      'connected 0 0',
      ...levels.map((qos) => `published ${qos}`),
      `refused ${refusedFilter(level)}`,
      'granted 1',
      'command while here',
    ])
    await stored(id, levels)

    await command(id, 'while away')
    await using again = start('again')
    expect(await again.exited(), again.output()).toBe(0)
    // Paho for C reads whether there was a session at level 4 only.
    const present = name === 'paho for C' && level === 5 ? 0 : 1
    expect(again.output().trim().split('\n')).toEqual([`connected 0 ${present}`, 'command while away'])
  })
})

describe('mosquitto_pub and mosquitto_sub', () => {
  test.each([
    ['mqttv311', 4],
    ['mqttv5', 5],
  ])('live a life of a device with its own certificate (%s)', async (version, level) => {
    const id = `mosquitto-${level}`
    const { ca, cert, key } = await enrolInFiles(id)
    const own = `-h localhost -p ${stack.ports.mqtt} --cafile ${ca} --cert ${cert} --key ${key} -i ${id} -V ${version}`
    // Their standard output is a pipe: without stdbuf a line would stay in them until they end.
    const start = (program: string, ...args: string[]) =>
      startProcess('stdbuf', ['-oL', program, ...own.split(' '), ...args])
    const topic = `fleets/default/devices/${id}/commands/#`
    const kept = ['-c', ...(level === 5 ? ['-x', '3600'] : [])]

    for (const qos of [0, 1, 2]) {
      const publishing = ['-t', `fleets/default/devices/${id}/telemetry/m`, '-m', `qos ${qos}`, '-q', String(qos)]
      await using running = start('mosquitto_pub', ...publishing)
      expect(await running.exited(), running.output()).toBe(0)
    }
    await stored(id, [0, 1, 2])

    await using foreign = start('mosquitto_sub', '-t', 'fleets/default/devices/somebody-else/commands/#', '-W', '20')
    await foreign.exited()
    expect(foreign.output()).toMatch(/All subscription requests were denied/)

    await using here = start('mosquitto_sub', ...kept, '-d', '-q', '1', '-t', topic, '-C', '1', '-W', '30')
    await here.prints(/Subscribed \(mid: \d+\): 1/)
    await command(id, 'while here')
    expect(await here.exited(), here.output()).toBe(0)
    expect(here.output()).toMatch(/^while here$/m)

    await command(id, 'while away')
    await using again = start('mosquitto_sub', ...kept, '-q', '1', '-t', topic, '-C', '1', '-W', '30')
    expect(await again.exited(), again.output()).toBe(0)
    expect(again.output()).toMatch(/^while away$/m)
  })
})

test('without a certificate, or with that of another, no foreign client gets in', async () => {
  const { ca } = await enrolInFiles('nobody')
  const { cert, key } = await enrolInFiles('somebody')
  const common = ['-h', 'localhost', '-p', String(stack.ports.mqtt), '--cafile', ca, '-t', 'x', '-m', 'x', '-q', '1']
  await using bare = startProcess('mosquitto_pub', [...common, '-i', 'nobody'])
  expect(await bare.exited()).not.toBe(0)
  await using borrowed = startProcess('mosquitto_pub', [...common, '-i', 'nobody', '--cert', cert, '--key', key])
  expect(await borrowed.exited()).not.toBe(0)
  expect(await storedOf('nobody')).toEqual([])
})
