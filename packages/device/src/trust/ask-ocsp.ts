import type { X509Certificate } from 'node:crypto'
import { MusterError } from '@muster/contracts'
import { createOcspRequest, type VerifiedOcspResponse, verifyOcspResponse } from '@muster/pki'
import { readCertificates } from './find-path.ts'

export interface OcspQuestion {
  leaf: X509Certificate
  issuer: X509Certificate
  /** Of the responder, as the certificate names it. */
  url: string
}

const timeoutMs = 5_000
const maxBytes = 16 * 1_024

/** Whom to ask for the status of a certificate (PEM, leaf and chain); nothing where it does not say. */
export function findOcspQuestion(pem: string): OcspQuestion | undefined {
  const [leaf, issuer] = readCertificates(pem)
  const url = leaf?.infoAccess?.match(/^OCSP - URI:(http:\/\/\S+)$/m)?.[1]
  return leaf && issuer && url ? { leaf, issuer, url } : undefined
}

/**
 * Asks the responder; the answer is verified, and `response` (DER) can be passed on until `nextUpdate`.
 * @throws MusterError `unavailable` when there is no answer, `certificate-untrusted` when it is none
 */
export async function askOcsp(question: OcspQuestion, now: Date): Promise<VerifiedOcspResponse & { response: Buffer }> {
  const response = await fetchResponse(question).catch((cause: unknown) => {
    throw new MusterError('unavailable', `no OCSP response from ${question.url}`, { cause })
  })
  const { leaf: certificate, issuer } = question
  return { ...verifyOcspResponse(response, { certificate, issuer, now }), response }
}

async function fetchResponse({ leaf, issuer, url }: OcspQuestion): Promise<Buffer> {
  const answer = await fetch(url, {
    method: 'POST',
    headers: { 'content-type': 'application/ocsp-request' },
    body: new Uint8Array(createOcspRequest(leaf, issuer)),
    redirect: 'error',
    signal: AbortSignal.timeout(timeoutMs),
  })
  if (!answer.ok) throw new Error(`HTTP status ${answer.status}`)
  const chunks: Uint8Array[] = []
  let size = 0
  for await (const chunk of answer.body ?? []) {
    size += chunk.length
    if (size > maxBytes) throw new Error(`the answer is above ${maxBytes} bytes`)
    chunks.push(chunk)
  }
  return Buffer.concat(chunks)
}
