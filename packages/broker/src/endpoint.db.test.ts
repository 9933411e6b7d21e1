import { execFile } from 'node:child_process'
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { createOcspResponder, type OcspAnswer, readOcspRequest, signOcspResponse } from '@muster/pki'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { issueServerCredentials, startTestBroker, type TestBroker } from './testing.ts'

/** A responder that says of everything what it is told to say. */
async function startResponder() {
  const says = { status: 'good' as 'good' | 'unknown' | 'garbage', asked: 0, livesMs: 3_600_000 }
  let answer: ((request: Buffer) => Promise<Buffer>) | undefined
  const server = createServer(async (request, response) => {
    const chunks: Buffer[] = []
    for await (const chunk of request) chunks.push(chunk)
    says.asked += 1
    if (says.status === 'garbage') response.end('none of your business')
    else response.end(await answer?.(Buffer.concat(chunks)))
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    says,
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/ocsp`,
    async answerFor({ issuer }: TestBroker['ca']) {
      const responder = await createOcspResponder(issuer, { notBefore: new Date(Date.now() - 60_000) })
      answer = async (bytes) => {
        const producedAt = new Date(Date.now() - 1_000)
        const status = says.status === 'unknown' ? 'unknown' : 'good'
        const times = { thisUpdate: producedAt, nextUpdate: new Date(Date.now() + says.livesMs) }
        const answers: OcspAnswer[] = readOcspRequest(bytes).certIds.map(({ raw }) => ({
          status,
          certId: raw,
          ...times,
        }))
        return signOcspResponse(responder, { answers, producedAt })
      }
    },
    async [Symbol.asyncDispose]() {
      server.close()
      await once(server, 'close')
    },
  }
}

let responder: Awaited<ReturnType<typeof startResponder>>
let muster: TestBroker
beforeAll(async () => {
  responder = await startResponder()
  muster = await startTestBroker({ urls: { ocsp: [responder.url] } })
  await responder.answerFor(muster.ca)
})
afterAll(async () => {
  await muster?.[Symbol.asyncDispose]()
  await responder?.[Symbol.asyncDispose]()
})

/** What OpenSSL sees of the handshake. */
async function handshake(...args: string[]): Promise<string> {
  const connect = ['s_client', '-connect', `127.0.0.1:${muster.broker.mqttPort}`, '-status', ...args]
  return new Promise((resolve) => {
    execFile('openssl', connect, (_error, stdout) => resolve(stdout)).stdin?.end()
  })
}
const renew = async () => {
  const credentials = await issueServerCredentials(muster.ca)
  await muster.useCredentials(credentials)
  return credentials
}

describe('the status of the certificate', () => {
  test.each(['-tls1_2', '-tls1_3'])('is in the handshake of who asks for it, %s', async (version) => {
    await renew()
    await vi.waitFor(
      async () => {
        const seen = await handshake(version)
        expect(seen).toContain('OCSP Response Status: successful')
        expect(seen).toContain('Cert Status: good')
      },
      { timeout: 10_000, interval: 200 },
    )
  })

  test('is asked for once, not by every handshake', async () => {
    const before = responder.says.asked
    await Promise.all([handshake(), handshake(), handshake()])
    expect(responder.says.asked).toBe(before)
  })

  test.each(['garbage', 'unknown'] as const)('is left out when the responder answers %s', async (status) => {
    responder.says.status = status
    const before = responder.says.asked
    await renew()
    await vi.waitFor(() => expect(responder.says.asked).toBeGreaterThan(before), 5_000)
    const seen = await handshake()
    responder.says.status = 'good'
    expect(seen).toContain('OCSP response: no response sent')
    expect(seen).toContain('BEGIN CERTIFICATE')
  })

  test('is left out when it has ended', async () => {
    // Long enough to be seen, on a machine that is busy too.
    responder.says.livesMs = 5_000
    await renew()
    await vi.waitFor(async () => expect(await handshake()).toContain('successful'))
    responder.says.livesMs = 3_600_000
    await vi.waitFor(async () => expect(await handshake()).toContain('no response sent'), 5_000)
  })
})

describe('a renewed server certificate', () => {
  test('is presented by the next handshake, and nobody is disconnected', async () => {
    const device = await muster.addDevice('stays')
    const client = await muster.connect(device)
    const lost: unknown[] = []
    client.on('close', () => lost.push('close'))
    const before = (await muster.openTls(device)).getPeerX509Certificate()
    const { certificate } = await renew()
    const after = (await muster.openTls(device)).getPeerX509Certificate()
    expect(certificate).toContain(after?.toString())
    expect(after?.serialNumber).not.toBe(before?.serialNumber)
    await client.publishAsync('fleets/default/devices/stays/telemetry/t', 'x', { qos: 1 })
    expect(lost).toEqual([])
    await client.endAsync()
  })

  test('tells how long it lasts', async () => {
    const text = await (await fetch(`http://127.0.0.1:${muster.broker.metricsPort}/metrics`)).text()
    const [, seconds] = /^muster_broker_certificate_seconds (\S+)$/m.exec(text) ?? []
    expect(Number(seconds) / 86_400).toBeCloseTo(90, 1)
  })
})
