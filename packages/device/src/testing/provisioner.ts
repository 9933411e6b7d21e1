import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { createServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'
import type { TLSSocket } from 'node:tls'
import {
  type Enrolment,
  EnrolRequest,
  type ErrorCode,
  formatClaimToken,
  problemType,
  RenewRequest,
} from '@muster/contracts'
import { certificateFingerprint, issueCertificate, parseRenewalProof, readCsr } from '@muster/pki'
import { createTestCa, poolKey, type TestCa } from '@muster/pki/testing'
import { createTestRegistry, type TestRegistry } from './registry.ts'

export interface Exchange {
  path: string
  body: string
  /** The serial number of the certificate that was presented. */
  presented: string | undefined
  response: ServerResponse
  /** What a well-behaved server would answer; makes and remembers the certificate, as if committed. */
  answer(): Promise<{ status: number; body: unknown }>
  reply(status: number, body: unknown, headers?: Record<string, string>): void
}

interface Answer {
  status: number
  body: unknown
}

export type Route = 'bootstrap' | 'enrol' | 'renew' | 'renewal'

export type Behaviour = (exchange: Exchange) => void | Promise<void>

/** A small real HTTPS server with the routes of a device. Each entry of `script` takes the place of one good answer. */
export interface TestProvisioner extends AsyncDisposable {
  ca: TestCa
  url: string
  claim: string
  mqttUrl: string
  script: Record<Route, Behaviour[]>
  registry: TestRegistry
  /** Of the certificates it makes: how long they live, and what the window is when somebody asks. */
  validityMs: number
  window: { start: Date; end: Date } | undefined
  /** What it hands out beside a certificate. */
  roots: string | undefined
  /** The answer to a renewal, which is proved by a certificate that was presented or by a document. */
  renewByProof(device: string, proof: string): Promise<string>
  /** Key fingerprints that asked, and the bodies of every request. */
  keys: Set<string>
  bodies: string[]
  /** How many there have been. */
  connections: number
  issue(csr: string, device?: string): Promise<Enrolment>
}

export const wellBehaved: Behaviour = async ({ answer, reply }) => {
  const { status, body } = await answer()
  reply(status, body)
}

/** The connection ends with the answer. */
export const answerAndClose: Behaviour = async ({ answer, reply }) => {
  const { status, body } = await answer()
  reply(status, body, { connection: 'close' })
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
  /** The clock of the server. */
  now?: () => Date
  /** When the certificate of the server itself was made, for 90 days. */
  serverAt?: Date
}

export async function startTestProvisioner(options: TestProvisionerOptions = {}): Promise<TestProvisioner> {
  const ca = options.ca ?? (await createTestCa())
  const rootFingerprint = certificateFingerprint(ca.root.raw)
  const issued = new Map<string, Enrolment>()

  const now = options.now ?? (() => new Date())
  const serverTime = () => now().toISOString()
  const registry = createTestRegistry()

  const provisioner = {
    ca,
    claim: formatClaimToken({ id: '0123456789abcdef', secret: randomBytes(32).toString('base64url'), rootFingerprint }),
    mqttUrl: options.mqttUrl ?? 'mqtts://localhost:8883',
    script: { bootstrap: [], enrol: [], renew: [], renewal: [] },
    keys: new Set<string>(),
    bodies: [],
    connections: 0,
    registry,
    validityMs: 90 * 86_400_000,
    window: undefined,
    roots: undefined,
    async issue(csr, device = 'device-1') {
      const { mqttUrl, validityMs, roots } = provisioner
      const enrolment = await issueEnrolment(ca, readCsr(csr).spki, device, mqttUrl, { at: now(), validityMs })
      return { ...enrolment, ...(roots !== undefined && { roots }) }
    },
    async renewByProof(device, text) {
      const { serial, csr } = parseRenewalProof(JSON.parse(text))
      return JSON.stringify((await renew(serial, csr, device)).body)
    },
  } as Omit<TestProvisioner, 'url' | typeof Symbol.asyncDispose>

  const renew = async (presented: string | undefined, csr: string, named?: string) => {
    const used = presented === undefined ? { code: 'certificate-missing' as const } : registry.use(presented)
    if ('code' in used) return { status: 403, body: problem(used.code, 403) }
    if (named !== undefined && named !== used.device) return { status: 403, body: problem('proof-invalid', 403) }
    const { keyFingerprint } = readCsr(csr)
    const known = registry.findPending(used.device, keyFingerprint)
    const enrolment = known ?? (await provisioner.issue(csr, used.device))
    if (!known) registry.add(enrolment, keyFingerprint, 'pending')
    return { status: 201, body: enrolment }
  }

  const enrol = async (body: string) => {
    const request = EnrolRequest.parse(JSON.parse(body))
    const { keyFingerprint } = readCsr(request.csr)
    provisioner.keys.add(keyFingerprint)
    if (!options.shared && issued.size > 0 && !issued.has(keyFingerprint))
      return { status: 409, body: problem('claim-key-mismatch', 409) }
    const enrolment = issued.get(keyFingerprint) ?? (await provisioner.issue(request.csr, request.device))
    if (!issued.has(keyFingerprint)) registry.add(enrolment, keyFingerprint, 'active')
    issued.set(keyFingerprint, enrolment)
    return { status: 201, body: enrolment }
  }

  const answers: Record<Route, (body: string, presented: string | undefined) => Promise<Answer>> = {
    bootstrap: async () => ({
      status: 200,
      body: { roots: ca.root.toString(), rootFingerprint, serverTime: serverTime() },
    }),
    enrol,
    renew: (body, presented) => renew(presented, RenewRequest.parse(JSON.parse(body)).csr),
    async renewal(_, presented) {
      const used = registry.use(presented ?? '')
      if ('code' in used) return { status: 403, body: problem(used.code, 403) }
      const end = new Date(now().getTime() + 86_400_000)
      return { status: 200, body: { window: provisioner.window ?? { start: end, end }, serverTime: serverTime() } }
    },
  }

  const handle = async (request: IncomingMessage, response: ServerResponse) => {
    const path = request.url ?? ''
    const body = await text(request)
    provisioner.bodies.push(body)
    const route = path.replace('/v1/', '') as Route
    const presented = (request.socket as TLSSocket).getPeerX509Certificate()?.serialNumber.toLowerCase()
    await (provisioner.script[route].shift() ?? wellBehaved)({
      ...{ path, body, presented, response, reply: replyOn(response) },
      answer: () => answers[route](body, presented),
    })
  }

  const server = createServer(
    {
      ...(await serverCredentials(options.serverCa ?? ca, options)),
      requestCert: true,
      rejectUnauthorized: false,
    },
    (request, response) => void handle(request, response).catch(() => response.destroy()),
  )
  server.on('secureConnection', () => {
    provisioner.connections += 1
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return Object.assign(provisioner, {
    url: `https://localhost:${(server.address() as AddressInfo).port}`,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections()
      if (!server.listening) return
      server.close()
      await once(server, 'close')
    },
  })
}

async function serverCredentials(ca: TestCa, options: TestProvisionerOptions) {
  const { playedBy, serverAt, hosts = ['localhost', '127.0.0.1'] } = options
  const dates = serverAt && { notBefore: serverAt, notAfter: new Date(serverAt.getTime() + 90 * 86_400_000) }
  const key = await poolKey('p256', 900)
  const identity = { fleet: 'muster', group: 'provisioners', device: 'provisioner-1', profile: 'server' } as const
  const { pem } = playedBy
    ? await ca.issue({ device: playedBy }, key)
    : await ca.issue(identity, key, { hosts, ...dates })
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
export async function issueEnrolment(
  ca: TestCa,
  spki: Buffer,
  device: string,
  mqttUrl: string,
  { at = new Date(), validityMs = 90 * 86_400_000 } = {},
): Promise<Enrolment> {
  const now = at.getTime()
  const { pem, notAfter } = await issueCertificate(ca.issuer, {
    identity: { fleet: 'default', group: 'default', device, profile: 'device' },
    spki,
    trustDomain: ca.trustDomain,
    notBefore: new Date(now - 300_000),
    notAfter: new Date(now + validityMs),
  })
  const base = `fleets/default/devices/${device}`
  return {
    device: { id: device, group: 'default', fleet: 'default' },
    certificate: pem,
    chain: ca.issuer.chain.map((issuer) => issuer.toString()).join(''),
    notAfter: notAfter.toISOString(),
    renewAfter: new Date(now + (validityMs * 2) / 3).toISOString(),
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
