import { fileURLToPath } from 'node:url'
import type Mqtt from 'mqtt'
import type { MqttClient } from 'mqtt'
import type { BrowserContext, Page } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { openPersonalChromium, type Person } from '../harness/chromium.ts'
import { freePorts } from '../harness/process.ts'
import { type EnrolledDevice, type Stack, startStack } from '../harness/stack.ts'
import { waitFor } from '../harness/wait.ts'

/** What a page has as globals. */
type Globals = typeof globalThis & { mqtt: typeof Mqtt; client: MqttClient; heard: string[] }

const allowed = 'https://console.example'
const foreign = 'https://elsewhere.example'
const bundle = fileURLToPath(import.meta.resolve('mqtt/dist/mqtt.min'))

let stack: Stack
let device: EnrolledDevice
let port: number
let person: Person
beforeAll(async () => {
  stack = await startStack()
  ;[port = 0] = await freePorts(1)
  await stack.process('broker')[Symbol.asyncDispose]()
  await stack.start('broker', { MUSTER_WS_PORT: String(port), MUSTER_WS_ORIGINS: allowed })
  device = await stack.enrolDevice('web-1')
  person = await openPersonalChromium({ port, credentials: device.credentials, root: stack.ca })
})
afterAll(async () => {
  await person?.[Symbol.asyncDispose]()
  await stack?.[Symbol.asyncDispose]()
})

/** A page of `origin` with mqtt.js in it, and what its console says. */
async function openPage(context: BrowserContext, origin: string) {
  await context.route(`${origin}/`, (route) =>
    route.fulfill({ contentType: 'text/html', body: '<!doctype html><title>console</title>' }),
  )
  const page = await context.newPage()
  const said: string[] = []
  page.on('console', (message) => said.push(message.text()))
  await page.goto(`${origin}/`)
  await page.addScriptTag({ path: bundle })
  return { page, said }
}

/** Chromium chooses a certificate for requests only; a WebSocket takes the one that was chosen before. */
const chooseCertificate = (page: Page) =>
  page.evaluate(async (url) => {
    const { type } = await fetch(url, { mode: 'no-cors', credentials: 'include' })
    return type
  }, `https://localhost:${port}/`)

/** How one attempt of mqtt.js in the page ends. */
const connect = (page: Page) =>
  page.evaluate(
    async ({ url, clientId }) => {
      const globals = globalThis as Globals
      globals.heard = []
      const client = globals.mqtt.connect(url, { clientId, protocolVersion: 5, reconnectPeriod: 0 })
      globals.client = client.on('message', (topic, payload) => void globals.heard.push(`${topic} ${payload}`))
      return new Promise<string>((resolve) => {
        client.once('connect', () => resolve('connected'))
        // Of a failed upgrade a page is told nothing but that.
        client.once('close', () => resolve('closed'))
        client.once('error', (error) => resolve(String(error)))
      })
    },
    { url: `wss://localhost:${port}/mqtt`, clientId: device.id },
  )

describe('mqtt.js in a browser', () => {
  test('speaks as the device whose certificate the browser has: telemetry is acknowledged and kept, commands come', async () => {
    const { page } = await openPage(person.context, allowed)
    expect(await chooseCertificate(page)).toBe('opaque')
    expect(await connect(page)).toBe('connected')
    await page.evaluate(async (topic) => {
      await (globalThis as Globals).client.publishAsync(topic, '{"celsius":21}', { qos: 1 })
    }, 'fleets/default/devices/web-1/telemetry/room')
    const { items } = (await stack.api('/v1/devices/web-1/telemetry')).json
    expect(items).toMatchObject([{ topic: 'fleets/default/devices/web-1/telemetry/room' }])
    expect(JSON.stringify(items)).toContain('celsius')

    const command = 'fleets/default/devices/web-1/commands/blink'
    await page.evaluate(async (topic) => {
      await (globalThis as Globals).client.subscribeAsync(topic, { qos: 1 })
    }, command)
    const service = await stack.enrolDevice('web-service', { profile: 'service' })
    const sender = await service.connect()
    await sender.publishAsync(command, 'twice', { qos: 1 })
    const heard = () => page.evaluate(() => (globalThis as Globals).heard)
    await waitFor('the command in the page', async () => (await heard()).length > 0)
    expect(await heard()).toEqual([`${command} twice`])
    await sender.endAsync()
    await page.evaluate(() => (globalThis as Globals).client.endAsync())
    await page.close()
  })

  test('in a page of another origin is refused, with the same certificate', async () => {
    const { page, said } = await openPage(person.context, foreign)
    expect(await chooseCertificate(page)).toBe('opaque')
    expect(await connect(page)).toBe('closed')
    expect(said.filter((line) => line.includes('WebSocket'))).toEqual([expect.stringContaining('403')])
    await page.close()
  })

  test('believes no broker whose root the browser does not trust', async () => {
    await using stranger = await openPersonalChromium({ port, credentials: device.credentials, root: undefined })
    const { page, said } = await openPage(stranger.context, allowed)
    await expect(chooseCertificate(page)).rejects.toThrow()
    expect(await connect(page)).toBe('closed')
    expect(said.join('\n')).toContain('ERR_CERT_AUTHORITY_INVALID')
  })
})
