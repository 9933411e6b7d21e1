import { createPrivateKey, X509Certificate } from 'node:crypto'
import { once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import { connect as connectTls } from 'node:tls'
import { connect, keepRenewed } from '@muster/device'
import { createCsr, encodePem } from '@muster/pki'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type Stack, startStack } from './harness/stack.ts'
import { nextEvent, waitFor } from './harness/wait.ts'

let stack: Stack
let second: Awaited<ReturnType<Stack['addBroker']>>
beforeAll(async () => {
  stack = await startStack()
  second = await stack.addBroker('broker-2')
})
afterAll(() => stack?.[Symbol.asyncDispose]())

const post = (path: string, body?: unknown) =>
  stack.api(path, { method: 'POST', ...(body === undefined ? {} : { body }) })
const codeOf = ({ json }: { json: { type?: string } }) => json.type?.split(':').at(-1)
const issuer = async (name: string) => (await stack.api(`/v1/issuers/${name}`)).json
const isTrusted = (name: string) => waitFor(`${name} is trusted`, async () => (await issuer(name)).missing.length === 0)
const pull = (name: string) =>
  post('/v1/renewal-windows', { issuer: name, end: new Date(Date.now() + 3_000).toISOString() })

async function apiIssuer(): Promise<string> {
  const socket = connectTls({ host: 'localhost', port: stack.ports.api, servername: 'localhost', ca: stack.ca })
  await once(socket, 'secureConnect')
  const { issuer: by } = socket.getPeerCertificate()
  socket.destroy()
  return String(by.CN)
}

/** A device of the SDK that publishes without a pause and renews by itself. */
async function startDevice(index: number) {
  const id = `rotating-${index}`
  const { store } = await stack.enrolDevice(id)
  const port = index % 2 === 0 ? stack.ports.mqtt : second.mqtt
  const client = await connect({ store, url: `mqtts://localhost:${port}`, maxReconnectMs: 200 })
  const renewing = keepRenewed({ store, client, pollMs: 500, minMs: 100, maxMs: 1_000 })
  let running = true
  let sent = 0
  let acknowledged = 0
  const publishing = (async () => {
    while (running) {
      await client.publishAsync(`fleets/default/devices/${id}/telemetry/n`, String(sent++), { qos: 1 })
      acknowledged++
      await sleep(20)
    }
  })()
  // Told where it is waited for.
  publishing.catch(() => undefined)
  return {
    id,
    async stop() {
      running = false
      await Promise.race([publishing, sleep(15_000)])
      if (acknowledged < sent) throw new Error(`${id}: ${acknowledged} of ${sent} acknowledged, ${client.connected}`)
      await renewing[Symbol.asyncDispose]()
      await client.endAsync()
      return sent
    },
  }
}

test('an issuing CA and then the root are replaced while 20 devices publish over two brokers: nothing is lost', async () => {
  const devices = await Promise.all(Array.from({ length: 20 }, (_, index) => startDevice(index)))

  // A broker that has not said that it trusts the new CA holds everything up.
  second.child.child.kill('SIGSTOP')
  expect((await post('/v1/issuers', { name: 'issuing-2' })).status).toBe(201)
  await waitFor('one broker trusts it', async () => (await issuer('issuing-2')).missing.join() === 'broker-2')
  expect(codeOf(await post('/v1/issuers/issuing-2/activate'))).toBe('issuer-not-trusted')
  second.child.child.kill('SIGCONT')
  await isTrusted('issuing-2')
  expect((await post('/v1/issuers/issuing-2/activate', { renewWithin: 3 })).status).toBe(200)
  expect(codeOf(await post('/v1/issuers/issuing-1/retire'))).toBe('issuer-in-use')

  // Devices, brokers and the provisioner itself renew, each of its own accord.
  await waitFor('nothing depends on the old CA', async () => (await issuer('issuing-1')).certificates === 0, {
    timeoutMs: 30_000,
  })
  expect((await post('/v1/issuers/issuing-1/retire')).status).toBe(200)
  expect(await apiIssuer()).toBe('Muster issuing-2')

  await post('/v1/issuers', { name: 'root-2', kind: 'root' })
  await isTrusted('root-2')
  await post('/v1/issuers/root-2/activate')
  await post('/v1/issuers', { name: 'issuing-3' })
  await isTrusted('issuing-3')
  await post('/v1/issuers/issuing-3/activate', { renewWithin: 3 })
  await waitFor('nothing depends on the second CA', async () => (await issuer('issuing-2')).certificates === 0, {
    timeoutMs: 30_000,
  })
  expect((await post('/v1/issuers/issuing-2/retire')).status).toBe(200)
  // They have learnt the new root with that renewal, and confirm it with the next one.
  expect(codeOf(await post('/v1/issuers/root/retire'))).toBe('issuer-in-use')
  await pull('issuing-3')
  // Brokers ask for their window when issuers change, and now and then.
  await post('/v1/issuers', { name: 'issuing-4' })
  await waitFor('every device and server has confirmed', async () => (await issuer('root-2')).confirmedBy >= 23, {
    timeoutMs: 30_000,
  })
  expect((await post('/v1/issuers/root/retire')).status).toBe(200)

  const sent = await Promise.all(devices.map((device) => device.stop()))
  for (const [index, { id }] of devices.entries()) {
    const { rows } = await stack.query(
      `select count(distinct payload)::int as stored from telemetry where device = $1`,
      [id],
    )
    expect(rows).toEqual([{ stored: sent[index] }])
  }
  const { rows: twice } = await stack.query(
    `select device from certificates where state = 'active' group by fleet, device having count(*) > 1`,
  )
  expect(twice).toEqual([])
}, 120_000)

test('what is served follows the issuers', async () => {
  const get = (path: string) => fetch(`http://127.0.0.1:${stack.ports.pki}${path}`)
  for (const name of ['issuing-1', 'issuing-3', 'root', 'root-2']) {
    const certificate = new X509Certificate(Buffer.from(await (await get(`/ca/${name}.crt`)).arrayBuffer()))
    expect(certificate.subject).toContain(`CN=Muster ${name}`)
  }
  const roots = await (await get('/ca/roots.pem')).text()
  expect(new X509Certificate(roots).subject).toContain('CN=Muster root-2')
  expect(roots.match(/BEGIN/g)).toHaveLength(1)
  stack.ca = roots
  expect((await stack.api('/v1/issuers')).status).toBe(200)
})

test('by force: who has not renewed is cut off, and comes back with the claim it has', async () => {
  const device = await stack.enrolDevice('forced-1')
  const client = await device.connect()
  const closed = nextEvent(client, 'close')
  await isTrusted('issuing-4')
  await post('/v1/issuers/issuing-4/activate')
  expect(codeOf(await post('/v1/issuers/issuing-3/retire'))).toBe('issuer-in-use')
  expect(client.connected).toBe(true)
  expect((await post('/v1/issuers/issuing-3/retire', { force: true })).status).toBe(200)
  await closed
  await client.endAsync(true)
  await expect(device.connect()).rejects.toThrow()
  await waitFor('the refusal on record', async () => {
    const { json } = await stack.api('/v1/devices/forced-1/refusals')
    return json.items.some(({ code }: { code: string }) => code === 'certificate-revoked')
  })
  const key = createPrivateKey(device.credentials.key)
  const csr = encodePem('CERTIFICATE REQUEST', createCsr(key))
  const { status, json } = await post('/v1/enrol', { claim: device.claim, csr })
  expect(status).toBe(201)
  const back = await device.connect({ cert: json.certificate + json.chain, ca: json.roots })
  await back.endAsync()
})
