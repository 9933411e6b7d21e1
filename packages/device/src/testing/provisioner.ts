import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { createServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'
import { type Enrolment, EnrolRequest, type ErrorCode, formatClaimToken, problemType } from '@muster/contracts'
import { certificateFingerprint, issueCertificate, readCsr } from '@muster/pki'
import { createTestCa, poolKey, type TestCa } from '@muster/pki/testing'

export interface Exchange {
  path: string
  body: string
  response: ServerResponse
  /** What a well-behaved server would answer; makes and remembers the certificate, as if committed. */
  answer(): Promise<{ status: number; body: unknown }>
  reply(status: number, body: unknown, headers?: Record<string, string>): void
}

export type Behaviour = (exchange: Exchange) => void | Promise<void>

/** A small real HTTPS server with the two routes of a first boot. Each entry of `script` takes the place of one good answer. */
export interface TestProvisioner extends AsyncDisposable {
  ca: TestCa
  url: string
  claim: string
  mqttUrl: string
  script: { bootstrap: Behaviour[]; enrol: Behaviour[] }
  /** Key fingerprints that asked, and the bodies of every request. */
  keys: Set<string>
  bodies: string[]
  issue(csr: string, device?: string): Promise<Enrolment>
}

export const wellBehaved: Behaviour = async ({ answer, reply }) => {
  const { status, body } = await answer()
  reply(status, body)
}

export interface TestProvisionerOptions {
  ca?: TestCa
  /** Who signs the certificate of the server itself. */
  serverCa?: TestCa
  hosts?: string[]
  /** The certificate of the server itself is one of a device with this name. */
  playedBy?: string
  mqttUrl?: string
  /** A claim for many keys. */
  shared?: boolean
}

export async function startTestProvisioner(options: TestProvisionerOptions = {}): Promise<TestProvisioner> {
  const ca = options.ca ?? (await createTestCa())
  const rootFingerprint = certificateFingerprint(ca.root.raw)
  const issued = new Map<string, Enrolment>()

  const provisioner = {
    ca,
    claim: formatClaimToken({ id: '0123456789abcdef', secret: randomBytes(32).toString('base64url'), rootFingerprint }),
    mqttUrl: options.mqttUrl ?? 'mqtts://localhost:8883',
    script: { bootstrap: [], enrol: [] },
    keys: new Set<string>(),
    bodies: [],
    async issue(csr, device = 'device-1') {
      return issueEnrolment(ca, readCsr(csr).spki, device, provisioner.mqttUrl)
    },
  } as Omit<TestProvisioner, 'url' | typeof Symbol.asyncDispose>

  const answer = async (path: string, body: string): Promise<{ status: number; body: unknown }> => {
    if (path === '/v1/bootstrap')
      return { status: 200, body: { roots: ca.root.toString(), rootFingerprint, serverTime: new Date().toISOString() } }
    const request = EnrolRequest.parse(JSON.parse(body))
    const { keyFingerprint } = readCsr(request.csr)
    provisioner.keys.add(keyFingerprint)
    if (!options.shared && issued.size > 0 && !issued.has(keyFingerprint))
      return { status: 409, body: problem('claim-key-mismatch', 409) }
    const enrolment = issued.get(keyFingerprint) ?? (await provisioner.issue(request.csr, request.device))
    issued.set(keyFingerprint, enrolment)
    return { status: 201, body: enrolment }
  }

  const handle = async (request: IncomingMessage, response: ServerResponse) => {
    const path = request.url ?? ''
    const body = await text(request)
    provisioner.bodies.push(body)
    const script = path === '/v1/bootstrap' ? provisioner.script.bootstrap : provisioner.script.enrol
    await (script.shift() ?? wellBehaved)({
      ...{ path, body, response, reply: replyOn(response) },
      answer: () => answer(path, body),
    })
  }

  const server = createServer(
    await serverCredentials(options.serverCa ?? ca, options),
    (request, response) => void handle(request, response).catch(() => response.destroy()),
  )
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return Object.assign(provisioner, {
    url: `https://localhost:${(server.address() as AddressInfo).port}`,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections()
      server.close()
      await once(server, 'close')
    },
  })
}

async function serverCredentials(ca: TestCa, { playedBy, hosts = ['localhost', '127.0.0.1'] }: TestProvisionerOptions) {
  const key = await poolKey('p256', 900)
  const identity = { fleet: 'muster', group: 'provisioners', device: 'provisioner-1', profile: 'server' } as const
  const { pem } = playedBy ? await ca.issue({ device: playedBy }, key) : await ca.issue(identity, key, { hosts })
  return {
    key: key.export({ type: 'pkcs8', format: 'pem' }),
    cert: [pem, ...ca.issuer.chain.map((issuer) => issuer.toString())].join(''),
  }
}

function replyOn(response: ServerResponse): Exchange['reply'] {
  return (status, content, headers = {}) => {
    response.writeHead(status, { 'content-type': 'application/json', ...headers })
    response.end(typeof content === 'string' ? content : JSON.stringify(content))
  }
}

/** What a provisioner would answer to this key. */
export async function issueEnrolment(ca: TestCa, spki: Buffer, device: string, mqttUrl: string): Promise<Enrolment> {
  const now = Date.now()
  const { pem, notAfter } = await issueCertificate(ca.issuer, {
    identity: { fleet: 'default', group: 'default', device, profile: 'device' },
    spki,
    trustDomain: ca.trustDomain,
    notBefore: new Date(now - 300_000),
    notAfter: new Date(now + 90 * 86_400_000),
  })
  const base = `fleets/default/devices/${device}`
  return {
    device: { id: device, group: 'default', fleet: 'default' },
    certificate: pem,
    chain: ca.issuer.chain.map((issuer) => issuer.toString()).join(''),
    notAfter: notAfter.toISOString(),
    renewAfter: new Date(now + 60 * 86_400_000).toISOString(),
    mqtt: {
      url: mqttUrl,
      clientId: device,
      publish: ['telemetry', 'events', 'state'].map((kind) => `${base}/${kind}/#`),
      subscribe: [`${base}/commands/#`],
    },
    serverTime: new Date(now).toISOString(),
  }
}

export function problem(code: ErrorCode, status: number) {
  return { type: problemType(code), title: code, status, detail: `refused: ${code}`, instance: 'request-1' }
}
