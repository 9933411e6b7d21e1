import { createRoute } from '@hono/zod-openapi'
import { Enrolment, RenewalWindow, RenewRequest } from '@muster/contracts'
import type { Deps } from '../context.ts'
import { readAddress } from '../http/address.ts'
import { type App, contextOf } from '../http/env.ts'
import { readPeerCertificate } from '../http/peer-certificate.ts'
import { answer, certificateHolder, jsonBody, refused } from '../http/responses.ts'
import { confirmCertificate } from './confirm.ts'
import { renewPresented } from './renew-presented.ts'

const tags = ['renewal']

const renew = createRoute({
  method: 'post',
  path: '/v1/renew',
  operationId: 'renewCertificate',
  description:
    'The next certificate, with the same key or a new one. The certificate it is asked for with stays good until the next one is used for the first time; until then the same request has the same answer.',
  tags,
  security: certificateHolder,
  request: jsonBody(RenewRequest),
  responses: { 201: answer('the next certificate', Enrolment), ...refused },
})

const window = createRoute({
  method: 'get',
  path: '/v1/renewal',
  operationId: 'getRenewalWindow',
  description: 'When to renew. Asked with a renewed certificate for the first time, it puts that one in use.',
  tags,
  security: certificateHolder,
  responses: { 200: answer('the window', RenewalWindow), ...refused },
})

export function addRenewalRoutes(app: App, deps: Deps): void {
  app.openapi(renew, async (c) => {
    const certificate = readPeerCertificate(c)
    const request = { ...c.req.valid('json'), certificate, address: readAddress(c), via: 'https' as const }
    const { enrolment, result } = await renewPresented(contextOf(c, deps), request)
    const { fleet, id } = enrolment.device
    c.header('Cache-Control', 'no-store')
    c.set('logged', { fleet, device: id, result })
    return c.json(enrolment, 201)
  })

  app.openapi(window, async (c) => {
    c.header('Cache-Control', 'no-store')
    return c.json(await confirmCertificate(contextOf(c, deps), readPeerCertificate(c), readAddress(c)), 200)
  })
}
