import { execFile } from 'node:child_process'
import { expect, test } from 'vitest'
import { openTls } from './harness/raw-mqtt.ts'
import { startStack } from './harness/stack.ts'
import { waitFor } from './harness/wait.ts'

test('the broker renews its own certificate when asked to, drops nobody, and shows its OCSP status', async () => {
  await using stack = await startStack()
  const device = await stack.enrolDevice('stays')
  const client = await device.connect()
  let closed = 0
  client.on('close', () => closed++)

  const presented = async () => {
    const { socket } = await openTls(stack, device.credentials)
    const serial = socket.getPeerX509Certificate()?.serialNumber.toLowerCase()
    socket.destroy()
    return serial
  }
  const stapled = () =>
    new Promise<string>((resolve) => {
      const args = ['s_client', '-connect', `127.0.0.1:${stack.ports.mqtt}`, '-status']
      execFile('openssl', args, (_error, stdout) => resolve(stdout)).stdin?.end()
    })
  const statusOf = (serial: string | undefined) =>
    waitFor('the status', async () => {
      const seen = await stapled()
      return seen.includes('Cert Status: good') && seen.toLowerCase().includes(serial ?? '-')
    })

  const first = await presented()
  await statusOf(first)
  // Some seconds ahead: a certificate issued in the second in which the window was made would be called once more.
  const at = (ms: number) => new Date(Date.now() + ms).toISOString()
  const window = { fleet: 'muster', device: 'broker-1', start: at(2_000), end: at(3_000) }
  expect((await stack.api('/v1/renewal-windows', { body: window })).status).toBe(201)
  // It asks when it starts, and otherwise now and then: an issuer that is prepared makes it ask again.
  expect((await stack.api('/v1/issuers', { body: { name: 'issuing-2' } })).status).toBe(201)
  const second = await waitFor(
    'another certificate',
    async () => {
      const serial = await presented()
      return serial === first ? undefined : serial
    },
    { timeoutMs: 30_000 },
  )
  await statusOf(second)
  // It is put to use first, and confirmed to the registry right after.
  const states = await waitFor('the confirmation', async () => {
    const { rows } = await stack.query("select serial, state from certificates where device = 'broker-1'")
    return rows.some(({ state }) => state === 'pending') ? undefined : rows
  })
  expect(new Map(states.map(({ serial, state }) => [serial, state]))).toEqual(
    new Map([
      [first, 'superseded'],
      [second, 'active'],
    ]),
  )
  await client.publishAsync('fleets/default/devices/stays/telemetry/t', 'x', { qos: 1 })
  expect(closed).toBe(0)
  await client.endAsync()
})
