import { createRoute, z } from '@hono/zod-openapi'
import { decodePem, encodeCertsOnly, encodeCsrAttributes } from '@muster/pki'
import type { Deps } from '../context.ts'
import { type LimitedEnrol, pendingRetrySeconds } from '../enrolment/enrol-within-limits.ts'
import { readAddress } from '../http/address.ts'
import { type App, contextOf } from '../http/env.ts'
import { readPeerCertificate } from '../http/peer-certificate.ts'
import { certificateHolder, claimHolder, refused } from '../http/responses.ts'
import { renewPresented } from '../renewal/renew-presented.ts'
import { answerEst, readRequest } from './body.ts'
import { enrolByPassword } from './enrol.ts'
import { readCredentials } from './read-credentials.ts'

const tags = ['EST (RFC 7030)']
const base64 = z.string().describe('DER in base64')
const request = { body: { required: true, content: { 'application/pkcs10': { schema: base64 } } } } as const
const certificates = (description: string) => ({
  description,
  content: { 'application/pkcs7-mime': { schema: base64 } },
})

const cacerts = createRoute({
  method: 'get',
  path: '/.well-known/est/cacerts',
  operationId: 'estCaCertificates',
  tags,
  responses: { 200: certificates('the roots, and what leads from a certificate to them'), ...refused },
})

const csrattrs = createRoute({
  method: 'get',
  path: '/.well-known/est/csrattrs',
  operationId: 'estCsrAttributes',
  tags,
  responses: {
    200: { description: 'the key to make', content: { 'application/csrattrs': { schema: base64 } } },
    ...refused,
  },
})

const simpleenroll = createRoute({
  method: 'post',
  path: '/.well-known/est/simpleenroll',
  operationId: 'estEnrol',
  description: 'As POST /v1/enrol. HTTP Basic: the user is the device’s id, or empty; the password is the claim.',
  tags,
  security: claimHolder,
  request,
  responses: {
    200: certificates('the certificate'),
    202: { description: 'an operator has to approve; send the same again after Retry-After' },
    ...refused,
  },
})

const simplereenroll = createRoute({
  method: 'post',
  path: '/.well-known/est/simplereenroll',
  operationId: 'estRenew',
  description: 'As POST /v1/renew. The request repeats the subject of the certificate.',
  tags,
  security: certificateHolder,
  request,
  responses: { 200: certificates('the next certificate'), ...refused },
})

export function addEstRoutes(app: App, deps: Deps, enrol: LimitedEnrol): void {
  const attributes = encodeCsrAttributes()

  app.openapi(cacerts, async (c) => {
    const { issuers } = deps
    const chain = await issuers.chainOf(issuers.active.name)
    const all = new Map([...issuers.roots, ...chain].map(({ raw }) => [raw.toString('hex'), raw]))
    return answerEst(c, 'certificates', encodeCertsOnly([...all.values()]), 200)
  })

  app.openapi(csrattrs, (c) => answerEst(c, 'attributes', attributes, 200))

  app.openapi(simpleenroll, async (c) => {
    const credentials = readCredentials(c.req.header('authorization'))
    const csr = await readRequest(c)
    const outcome = await enrolByPassword(contextOf(c, deps), enrol, credentials, { csr, address: readAddress(c) })
    c.header('Cache-Control', 'no-store')
    if (outcome.result === 'pending') {
      c.header('Retry-After', String(pendingRetrySeconds))
      return c.body(null, 202)
    }
    const { device, certificate } = outcome.enrolment
    c.set('logged', { fleet: device.fleet, device: device.id, result: outcome.result })
    return answerEst(c, 'certificates', encodeCertsOnly(decodePem('CERTIFICATE', certificate)), 200)
  })

  app.openapi(simplereenroll, async (c) => {
    const csr = (await readRequest(c)).toString('base64')
    const certificate = readPeerCertificate(c)
    const address = readAddress(c)
    const { enrolment, result } = await renewPresented(contextOf(c, deps), { csr, certificate, address, via: 'est' })
    c.header('Cache-Control', 'no-store')
    c.set('logged', { fleet: enrolment.device.fleet, device: enrolment.device.id, result })
    return answerEst(c, 'certificates', encodeCertsOnly(decodePem('CERTIFICATE', enrolment.certificate)), 200)
  })
}
