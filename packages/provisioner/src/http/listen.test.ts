import { once } from 'node:events'
import { createServer, connect as dial } from 'node:net'
import { type ConnectionOptions, connect } from 'node:tls'
import { encodePem } from '@muster/pki'
import { createTestCa, poolKey } from '@muster/pki/testing'
import { Hono } from 'hono'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { listenHttp, listenHttps } from './listen.ts'

const place = { host: '127.0.0.1', port: 0, setting: 'MUSTER_API_PORT' }
const app = new Hono().get('/', (c) => c.text('here'))
let server: Awaited<ReturnType<typeof listenHttps>>
let root: string

beforeAll(async () => {
  const ca = await createTestCa()
  const key = await poolKey()
  const identity = { fleet: 'muster', group: 'provisioners', device: 'p', profile: 'server' as const }
  const leaf = await ca.issue(identity, key, { hosts: ['localhost'] })
  root = encodePem('CERTIFICATE', ca.root.raw)
  server = await listenHttps(app, place, {
    key: key.export({ type: 'pkcs8', format: 'pem' }).toString(),
    cert: leaf.pem + encodePem('CERTIFICATE', ca.issuer.certificate.raw),
    ca: root,
  })
})
afterAll(() => server?.[Symbol.asyncDispose]())

async function handshake(options: ConnectionOptions): Promise<string> {
  const socket = connect({ host: '127.0.0.1', port: server.port, servername: 'localhost', ca: root, ...options })
  return new Promise((resolve) => {
    socket.on('secureConnect', () => {
      resolve(`${socket.getProtocol()} ${socket.getCipher().name}`)
      socket.destroy()
    })
    socket.on('error', () => resolve('refused'))
  })
}

test.each([
  [{ maxVersion: 'TLSv1.3' }, /^TLSv1\.3 TLS_/],
  [{ maxVersion: 'TLSv1.2' }, /^TLSv1\.2 ECDHE-ECDSA-.*(GCM|POLY1305)/],
  [{ minVersion: 'TLSv1', maxVersion: 'TLSv1.1', ciphers: 'DEFAULT@SECLEVEL=0' }, /^refused$/],
  [{ maxVersion: 'TLSv1.2', ciphers: 'ECDHE-ECDSA-AES128-SHA' }, /^refused$/],
] as const)('%j', async (options, expected) => expect(await handshake(options)).toMatch(expected))

test('headers have a limit', async () => {
  const socket = connect({ host: '127.0.0.1', port: server.port, servername: 'localhost', ca: root })
  socket.on('error', () => {})
  await once(socket, 'secureConnect')
  socket.write(`GET / HTTP/1.1\r\nHost: x\r\nX: ${'x'.repeat(20_000)}\r\n\r\n`)
  const [answer] = await once(socket, 'data')
  expect(String(answer)).toMatch(/^HTTP\/1\.1 431 /)
  socket.destroy()
})

test('a port that is taken: which, and the setting that changes it', async () => {
  const other = createServer().listen(0, '127.0.0.1')
  await once(other, 'listening')
  const { port } = other.address() as { port: number }
  await expect(listenHttp(app, { ...place, port })).rejects.toMatchObject({
    code: 'conflict',
    detail: expect.stringMatching(new RegExp(`${port}.*MUSTER_API_PORT`)),
  })
  other.close()
})

test('closing ends connections that would not end by themselves', async () => {
  const short = await listenHttp(app, place)
  const silent = dial(short.port, '127.0.0.1')
  await once(silent, 'connect')
  const closed = once(silent, 'close')
  await short[Symbol.asyncDispose]()
  await closed
})
