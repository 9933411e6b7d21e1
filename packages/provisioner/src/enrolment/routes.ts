import { createRoute } from '@hono/zod-openapi'
import { Bootstrap, Enrolment, EnrolRequest, PendingEnrolment } from '@muster/contracts'
import { certificateFingerprint, encodePem } from '@muster/pki'
import type { Deps } from '../context.ts'
import { readAddress } from '../http/address.ts'
import { type App, contextOf } from '../http/env.ts'
import { answer, jsonBody, refused } from '../http/responses.ts'
import { type LimitedEnrol, pendingRetrySeconds } from './enrol-within-limits.ts'

const tags = ['enrolment']

const bootstrap = createRoute({
  method: 'get',
  path: '/v1/bootstrap',
  operationId: 'getBootstrap',
  description: 'Fetched before anything is trusted: check the root against the fingerprint in the claim.',
  tags,
  responses: { 200: answer('the trust anchors', Bootstrap), ...refused },
})

const enrol = createRoute({
  method: 'post',
  path: '/v1/enrol',
  operationId: 'enrolDevice',
  description:
    'Claim and key to certificate. The same claim and key are answered with the same certificate, any number of times.',
  tags,
  request: jsonBody(EnrolRequest),
  responses: {
    201: answer('the certificate', Enrolment),
    202: answer('an operator has to approve; send the same again later', PendingEnrolment),
    ...refused,
  },
})

export function addEnrolmentRoutes(app: App, deps: Deps, enrolWithinLimits: LimitedEnrol): void {
  app.openapi(bootstrap, (c) => {
    const { roots, anchor } = deps.issuers
    const trusted = roots.map(({ raw }) => encodePem('CERTIFICATE', raw)).join('')
    const serverTime = deps.now().toISOString()
    return c.json({ roots: trusted, rootFingerprint: certificateFingerprint(anchor.raw), serverTime }, 200)
  })

  app.openapi(enrol, async (c) => {
    const request = c.req.valid('json')
    const address = readAddress(c)
    const outcome = await enrolWithinLimits(contextOf(c, deps), { ...request, address })
    c.header('Cache-Control', 'no-store')
    if (outcome.result === 'pending') {
      c.header('Retry-After', String(pendingRetrySeconds))
      return c.json({ status: 'pending' as const, retryAfter: pendingRetrySeconds }, 202)
    }
    c.set('logged', {
      fleet: outcome.enrolment.device.fleet,
      device: outcome.enrolment.device.id,
      result: outcome.result,
    })
    return c.json(outcome.enrolment, 201)
  })
}
