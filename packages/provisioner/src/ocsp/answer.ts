import { X509Certificate } from 'node:crypto'
import { MusterError } from '@muster/contracts'
import {
  encodeOcspCertId,
  encodeOcspError,
  encodeOcspRequest,
  isIssuedBy,
  type OcspError,
  type OcspRequest,
  readOcspRequest,
  signOcspResponse,
} from '@muster/pki'
import type { Deps } from '../context.ts'
import { type AnswerCache, createAnswerCache, type SignedAnswer } from './cache.ts'
import { findStatuses } from './find-status.ts'
import type { IssuerResponder, Responders } from './responders.ts'

/** How long an answer may be passed on; half of it is left, at the least, when it leaves. */
const lifetimeMs = 3_600_000
const maxCached = 10_000

export interface OcspReply {
  der: Uint8Array<ArrayBuffer>
  /** Absent where nobody may keep it: errors, and answers to one nonce. */
  kept?: Pick<SignedAnswer, 'thisUpdate' | 'nextUpdate'>
}

export interface OcspAnswers {
  /** Answers a request, DER or the path of a GET; what is wrong with it is in the answer. */
  answer(request: Uint8Array | string): Promise<OcspReply>
  /** For a TLS handshake with a certificate of our own; undefined where there is nothing good to say. */
  staple(certificate: Uint8Array): Promise<Uint8Array | undefined>
  /** The certificate has been revoked. */
  forget(serial: string): void
}

type AnswersDeps = Pick<Deps, 'db' | 'log' | 'metrics' | 'now'> & { responders: Responders }

export function createOcspAnswers({ db, log, metrics, now, responders }: AnswersDeps): OcspAnswers {
  const cache = createAnswerCache(maxCached)
  const refuse = (error: OcspError, status: string): OcspReply => {
    metrics.ocspRequests.inc({ status })
    return { der: new Uint8Array(encodeOcspError(error)) }
  }

  async function answerRead(request: OcspRequest): Promise<OcspReply> {
    const { certIds, nonce } = request
    const authority = certIds.map((certId) => responders.find(certId)).find((found) => found !== undefined)
    // RFC 6960 §2.3: not a word of ours would be believed.
    if (!authority) return refuse('unauthorized', 'unauthorized')
    const [only] = certIds
    const alone = nonce || certIds.length > 1 ? undefined : only
    const cached = alone && usable(cache, alone.serial, alone.raw.toString('hex'), now())
    if (cached) {
      metrics.ocspRequests.inc({ status: 'cached' })
      return { der: cached.der, kept: cached }
    }
    const started = cache.start()
    const { signed, statuses } = await sign(authority, request)
    for (const status of statuses) metrics.ocspRequests.inc({ status })
    // What nobody has issued is not worth a place.
    if (alone && statuses[0] !== 'unknown') cache.add(alone.serial, alone.raw.toString('hex'), signed, started)
    return nonce ? { der: signed.der } : { der: signed.der, kept: signed }
  }

  async function sign({ issuer, hashes, responder }: IssuerResponder, { certIds, nonce }: OcspRequest) {
    const at = Math.floor(now().getTime() / 1_000) * 1_000
    const thisUpdate = new Date(at)
    const nextUpdate = new Date(Math.min(at + lifetimeMs, responder.certificate.validToDate.getTime()))
    const ours = certIds.filter((certId) => isIssuedBy(certId, hashes))
    const found = await findStatuses(db, issuer, [...new Set(ours.map(({ serial }) => serial))])
    const answers = certIds.map((certId) => ({
      ...((ours.includes(certId) && found.get(certId.serial)) || { status: 'unknown' as const }),
      ...{ certId: certId.raw, thisUpdate, nextUpdate },
    }))
    const der = new Uint8Array(await signOcspResponse(responder, { answers, producedAt: thisUpdate, nonce }))
    return { signed: { der, thisUpdate, nextUpdate }, statuses: answers.map(({ status }) => status) }
  }

  async function answer(request: Uint8Array | string): Promise<OcspReply> {
    try {
      return await answerRead(readOcspRequest(request))
    } catch (err) {
      if (err instanceof MusterError && (err.code === 'request-invalid' || err.code === 'request-too-large'))
        return refuse('malformedRequest', 'malformed')
      log.warn({ err }, 'an OCSP request could not be answered')
      return refuse('tryLater', 'unavailable')
    }
  }

  return {
    answer,
    async staple(certificate) {
      const leaf = new X509Certificate(certificate)
      const authority = responders.list().find(({ certificate: issuer }) => leaf.checkIssued(issuer))
      if (!authority) return undefined
      const certId = encodeOcspCertId(authority.hashes, leaf.serialNumber.toLowerCase())
      const { der, kept } = await answer(encodeOcspRequest([certId]))
      return kept && der
    },
    forget: cache.forget,
  }
}

function usable(cache: AnswerCache, serial: string, certId: string, at: Date): SignedAnswer | undefined {
  const answer = cache.find(serial, certId)
  return answer && answer.nextUpdate.getTime() - at.getTime() >= lifetimeMs / 2 ? answer : undefined
}
