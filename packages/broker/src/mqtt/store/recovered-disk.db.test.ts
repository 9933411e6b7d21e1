import { execFile } from 'node:child_process'
import { appendFile, mkdtemp, readdir, readlink, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { rawClient, startTestBroker, type TestBroker } from '../../testing.ts'

const run = promisify(execFile)
const isRoot = process.getuid?.() === 0
let directory: string
let muster: TestBroker
beforeEach(async () => {
  if (!isRoot) return
  directory = await mkdtemp(join(tmpdir(), 'muster-small-disk-'))
  await run('mount', ['-t', 'tmpfs', '-o', 'size=48m', 'tmpfs', directory])
  // Bodies of queued messages are on the disk alone.
  muster = await startTestBroker({ disk: directory, limits: { queueMemoryBytes: 0, diskReserveBytes: 0 } })
})
afterEach(async () => {
  if (!isRoot) return
  await muster?.[Symbol.asyncDispose]()
  await run('umount', [directory])
  await rm(directory, { recursive: true })
})

const topic = 'fleets/default/devices/waits/commands/x'
const isWritable = async () => {
  const text = await (await fetch(`http://127.0.0.1:${muster.broker.metricsPort}/metrics`)).text()
  return /^muster_broker_sessions_writable 1$/m.test(text)
}

/** Until there is not a page left. */
async function fillDisk(balloon: string) {
  for (let more = true; more; )
    more = await appendFile(balloon, Buffer.alloc(65_536)).then(
      () => true,
      () => false,
    )
}

/** The broker runs in this process: whether it has the database open. */
async function isOpen() {
  const handles = await readdir('/proc/self/fd')
  const files = await Promise.all(handles.map((handle) => readlink(`/proc/self/fd/${handle}`).catch(() => '')))
  return files.some((file) => file.startsWith(muster.sessionsPath))
}

test.skipIf(!isRoot)(
  'what could not be read goes out as soon as the disk is back, without a word of the client',
  async () => {
    const socket = await muster.openTls(await muster.addDevice('waits'))
    const client = rawClient(socket, 5)
    client.connect('waits', { clean: false, properties: { sessionExpiryInterval: 3_600, receiveMaximum: 1 } })
    await client.next('connack')
    client.send({ cmd: 'subscribe', messageId: 1, subscriptions: [{ topic, qos: 1 }] })
    await client.next('suback')
    const service = await muster.addDevice('sends', { profile: 'service' })
    const sender = await muster.connect(service, { protocolVersion: 5 })
    for (const payload of ['one', 'two']) await sender.publishAsync(topic, payload, { qos: 1 })
    const first = await client.next('publish')

    const balloon = join(directory, 'balloon')
    await fillDisk(balloon)
    const large = Buffer.alloc(32_768)
    while (await isWritable()) {
      const other = await muster.connect(service, { protocolVersion: 5 })
      await Promise.race([
        Promise.all(Array.from({ length: 10 }, () => other.publishAsync(topic, large, { qos: 1 }))).catch(() => {}),
        new Promise<void>((resolve) => other.once('close', () => resolve())),
      ])
      other.end(true)
    }
    await vi.waitFor(async () => expect(await isOpen()).toBe(false), { timeout: 10_000, interval: 20 })
    client.send({ cmd: 'puback', messageId: first.messageId ?? 0 })
    client.send({ cmd: 'pingreq' })
    await client.next('pingresp')
    expect(client.find('publish')).toHaveLength(1)

    await rm(balloon)
    await vi.waitFor(() => expect(client.find('publish')).toHaveLength(2), 10_000)
    expect(String((client.find('publish')[1] as { payload?: Buffer }).payload)).toBe('two')
    socket.destroy()
    await sender.endAsync(true)
  },
)
