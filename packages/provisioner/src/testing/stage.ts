import type { X509Certificate } from 'node:crypto'
import type { CreateClaimRequest } from '@muster/contracts'
import { CreateClaimRequest as CreateClaimSchema } from '@muster/contracts'
import { audit, type Db, fleets, openDb, operatorTokens } from '@muster/db'
import { openTestDb } from '@muster/db/testing'
import { createCsr, type KeyAlgorithm } from '@muster/pki'
import { createTestCa, poolKey } from '@muster/pki/testing'
import { asc, eq } from 'drizzle-orm'
import { pino } from 'pino'
import type { z } from 'zod'
import { createApp } from '../app.ts'
import { createClaim } from '../claims/create.ts'
import type { Context, Deps } from '../context.ts'
import { type EnrolInput, type EnrolResult, enrolDevice } from '../enrolment/enrol.ts'
import type { App } from '../http/env.ts'
import { createMetrics } from '../metrics.ts'
import { createSecret, createSecretId, hashSecret } from '../secret.ts'
import { singleIssuer } from './single-issuer.ts'

/** The provisioner without its sockets: a database as its own role, a CA in memory, a clock that stands still. */
export interface Stage extends AsyncDisposable {
  deps: Deps
  /** An operator's. */
  ctx: Context
  app: App
  token: string
  owner: Db
  /** Of the database, for a connection beside the pool. */
  url: string
  /** What was logged, a line each. */
  logged: string[]
  advance(ms: number): Date
  claim(request?: z.input<typeof CreateClaimSchema>): Promise<string>
  /** With the pool's key of that number. */
  enrol(claim: string, key?: number, more?: Partial<EnrolInput>): Promise<EnrolResult>
  enrolled(id: string, key?: number): Promise<void>
  audited(subject: string): Promise<{ actor: string; action: string; detail: Record<string, unknown> }[]>
  call(method: string, path: string, body?: unknown, headers?: Record<string, string>): Promise<Response>
  /** As a TLS peer that has shown this certificate and holds its key. */
  callWith(
    certificate: X509Certificate | undefined,
    method: string,
    path: string,
    body?: unknown,
    headers?: Record<string, string>,
  ): Promise<Response>
}

const start = new Date('2026-03-01T12:00:00Z')
export const peer = '192.0.2.7'

export async function csrOf(key: number, algorithm: KeyAlgorithm = 'p256'): Promise<string> {
  return createCsr(await poolKey(algorithm, key)).toString('base64')
}

export async function openStage(): Promise<Stage> {
  const test = await openTestDb({ role: 'muster_provisioner' })
  const owner = await openDb({ url: test.as('muster_owner') })
  const { issuer, trustDomain } = await createTestCa({ now: start })
  const logged: string[] = []
  const log = pino({ level: 'info' }, { write: (line: string) => logged.push(line) })
  let clock = start
  const settings = { trustDomain, publicHost: 'muster.example', mqttPort: 8883, validityMs: 90 * 86_400_000 }
  const deps: Deps = {
    db: test.db,
    issuers: singleIssuer(issuer),
    settings,
    log,
    now: () => clock,
    metrics: createMetrics(),
  }
  const ctx: Context = { ...deps, actor: 'operator:test', requestId: 'request-1' }
  const app = createApp(deps)
  const [id, secret] = [createSecretId(), createSecret()]
  for (const name of ['default', 'muster', 'other']) await test.db.insert(fleets).values({ name, createdAt: clock })
  const first = { id, name: 'test', secretHash: hashSecret(secret), createdAt: clock }
  await test.db.insert(operatorTokens).values(first)

  const stage: Stage = {
    deps,
    ctx,
    app,
    token: `muster_op_${id}_${secret}`,
    owner,
    url: test.as('muster_provisioner'),
    logged,
    advance(ms) {
      clock = new Date(clock.getTime() + ms)
      return clock
    },
    async claim(request = {}) {
      const parsed: CreateClaimRequest = CreateClaimSchema.parse(request)
      return (await createClaim(ctx, parsed)).claim
    },
    async enrol(claim, key = 0, more = {}) {
      const input: EnrolInput = { claim, csr: await csrOf(key), address: peer, ...more }
      return enrolDevice({ ...deps, actor: 'anonymous', requestId: 'request-2' }, input)
    },
    async enrolled(device, key = 0) {
      await stage.enrol(await stage.claim({ device }), key)
    },
    audited: (subject) =>
      test.db
        .select({ actor: audit.actor, action: audit.action, detail: audit.detail })
        .from(audit)
        .where(eq(audit.subject, subject))
        .orderBy(asc(audit.seq)),
    call: (method, path, body, headers = {}) =>
      stage.callWith(undefined, method, path, body, { authorization: `Bearer ${stage.token}`, ...headers }),
    callWith: async (certificate, method, path, body, headers = {}) =>
      app.request(
        path,
        {
          method,
          headers: {
            ...(body === undefined ? {} : { 'content-type': 'application/json' }),
            ...headers,
          },
          ...(body === undefined ? {} : { body: typeof body === 'string' ? body : JSON.stringify(body) }),
        },
        { incoming: { socket: { remoteAddress: peer, getPeerX509Certificate: () => certificate } } },
      ),
    async [Symbol.asyncDispose]() {
      await owner[Symbol.asyncDispose]()
      await test[Symbol.asyncDispose]()
    },
  }
  return stage
}

/** The code a promise is refused with; what is no refusal is thrown. */
export async function refusalOf(promise: Promise<unknown>): Promise<string> {
  try {
    await promise
    return 'not refused'
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.name === 'MusterError') return String(error.code)
    throw error
  }
}

// biome-ignore lint/suspicious/noExplicitAny: tests look into answers that only the server's own schema describes
export const readJson = (response: Response): Promise<any> => response.json()
