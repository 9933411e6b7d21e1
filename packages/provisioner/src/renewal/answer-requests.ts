import { X509Certificate } from 'node:crypto'
import { MusterError, renewalsAnsweredChannel, renewalsChannel } from '@muster/contracts'
import {
  isDatabaseUnavailable,
  isSerializationFailure,
  isUniqueViolation,
  listenTo,
  renewalRequests,
  repeat,
  type Tx,
} from '@muster/db'
import { parseRenewalProof, verifyRenewalProof } from '@muster/pki'
import { asc, eq, isNull, lt, sql } from 'drizzle-orm'
import type { Context, Deps } from '../context.ts'
import { describeProblem } from '../problem.ts'
import { settleConflicts } from '../settle-conflicts.ts'
import { findHolder, type Holder } from './find-holder.ts'
import { requireRenewable } from './judge.ts'
import { isRefusal, recordRenewalRefusal } from './record-refusal.ts'
import { type Renewed, renewCertificate } from './renew.ts'

type RequestRow = typeof renewalRequests.$inferSelect

const everyMs = 5_000
const atOnce = 4
/** Longer than a broker needs to deliver what was answered. */
const keepAnsweredMs = 600_000

/** Answers the renewals that brokers have put down: at once when told, and now and then in case nobody told. */
export function startRenewalAnswers(deps: Deps, url: string): AsyncDisposable {
  const onError = (err: unknown) => deps.log.warn({ err }, 'renewals over MQTT have to wait')
  const answering = repeat(() => answerRenewalRequests(deps), { everyMs, onError })
  const listening = listenTo({
    url,
    channels: [renewalsChannel],
    applicationName: 'muster_provisioner renewals',
    onListening: answering.hurry,
    onNotification: answering.hurry,
    onError,
  })
  return {
    async [Symbol.asyncDispose]() {
      await listening[Symbol.asyncDispose]()
      await answering[Symbol.asyncDispose]()
    },
  }
}

/** All that wait, several at once; another process may be at the same work. */
export async function answerRenewalRequests(deps: Deps): Promise<void> {
  const answerAll = async () => {
    while (await settleConflicts(() => deps.db.transaction((tx) => answerNext(deps, tx))));
  }
  await Promise.all(Array.from({ length: atOnce }, answerAll))
  const old = new Date(deps.now().getTime() - keepAnsweredMs)
  await deps.db.delete(renewalRequests).where(lt(renewalRequests.answeredAt, old))
}

/** One transaction: the certificate, its audit entry, the answer and the broker's notification. */
async function answerNext(deps: Deps, tx: Tx): Promise<boolean> {
  const [request] = await tx
    .select()
    .from(renewalRequests)
    .where(isNull(renewalRequests.answeredAt))
    .orderBy(asc(renewalRequests.at))
    .limit(1)
    .for('update', { skipLocked: true })
  if (!request) return false
  const answer = await answerRequest(deps, tx, request)
  const isRequest = eq(renewalRequests.id, request.id)
  await tx.update(renewalRequests).set({ answer, answeredAt: deps.now() }).where(isRequest)
  await tx.execute(sql`select pg_notify(${renewalsAnsweredChannel}, ${String(request.id)})`)
  return true
}

async function answerRequest(deps: Deps, tx: Tx, request: RequestRow): Promise<Record<string, unknown>> {
  const { fleet, device, id } = request
  const requestId = `mqtt-${id}`
  const ctx: Context = { ...deps, actor: `device:${device}`, requestId }
  let holder: Holder | undefined
  try {
    const proof = parseRenewalProof(readJson(request.proof))
    holder = await findRequester(tx, request, proof.serial)
    const known = holder
    // A savepoint: what is refused is undone, and the refusal is recorded with the answer.
    const { enrolment, result } = await tx.transaction((inner) => renewByProof(ctx, inner, known, proof))
    ctx.metrics.renewals.inc({ result, via: 'mqtt' })
    ctx.log.info({ fleet, device, renewal: id, result }, 'renewal over MQTT')
    return enrolment
  } catch (error) {
    // Nothing is wrong with the request: it is looked at again.
    if (isDatabaseUnavailable(error) || isUniqueViolation(error) || isSerializationFailure(error)) throw error
    if (!(error instanceof MusterError)) {
      ctx.log.error({ err: error, fleet, device, renewal: id }, 'unexpected error')
      return describeProblem(new MusterError('internal', 'the error is logged under the request id'), requestId)
    }
    if (error.code === 'unavailable') throw error
    if (holder && isRefusal(error)) await recordRenewalRefusal(ctx, tx, holder, 'mqtt', error)
    ctx.metrics.refusals.inc({ code: error.code })
    ctx.log.info({ fleet, device, renewal: id, code: error.code, detail: error.detail }, 'renewal over MQTT')
    return describeProblem(error, requestId)
  }
}

/** The broker says whose session it was; a proof by the certificate of anybody else is not for that session. */
async function findRequester(tx: Tx, request: RequestRow, serial: string): Promise<Holder> {
  const holder = await findHolder(tx, serial)
  const { fleet, id } = holder?.device ?? {}
  if (!holder || fleet !== request.fleet || id !== request.device)
    throw new MusterError('proof-invalid', 'the proof names no certificate of this device')
  return holder
}

function renewByProof(ctx: Context, tx: Tx, holder: Holder, proof: unknown): Promise<Renewed> {
  requireRenewable(holder.standing, ctx.now())
  const { csr, at: deviceTime } = verifyProof(proof, new X509Certificate(holder.certificate.der))
  return renewCertificate(ctx, tx, holder, { csr, deviceTime, via: 'mqtt' })
}

function verifyProof(proof: unknown, certificate: X509Certificate) {
  try {
    return verifyRenewalProof(proof, certificate)
  } catch (cause) {
    if (!(cause instanceof MusterError) || cause.code !== 'not-authenticated') throw cause
    throw new MusterError('proof-invalid', cause.detail, { cause })
  }
}

function readJson(bytes: Buffer): unknown {
  try {
    return JSON.parse(bytes.toString())
  } catch (cause) {
    throw new MusterError('request-invalid', 'a renewal proof is a JSON document', { cause })
  }
}
