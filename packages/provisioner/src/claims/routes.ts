import { createRoute, z } from '@hono/zod-openapi'
import {
  AttachRequest,
  Claim,
  CreateClaimRequest,
  CreatedClaim,
  FleetQuery,
  PageQuery,
  pageOf,
} from '@muster/contracts'
import type { Deps } from '../context.ts'
import { type App, contextOf } from '../http/env.ts'
import { answer, jsonBody, operator, refused } from '../http/responses.ts'
import { attachToClaim } from './attach.ts'
import { createClaim } from './create.ts'
import { listClaims } from './list.ts'
import { withdrawClaim } from './withdraw.ts'

const tags = ['claims']

const create = createRoute({
  method: 'post',
  path: '/v1/claims',
  operationId: 'createClaim',
  description: 'A permission to enrol. The secret is in the answer and nowhere else.',
  tags,
  security: operator,
  request: jsonBody(CreateClaimRequest),
  responses: { 201: answer('created', CreatedClaim), ...refused },
})

const list = createRoute({
  method: 'get',
  path: '/v1/claims',
  operationId: 'listClaims',
  tags,
  security: operator,
  request: { query: FleetQuery.extend(PageQuery.shape) },
  responses: { 200: answer('a page of claims, the newest first', pageOf(Claim)), ...refused },
})

const attach = createRoute({
  method: 'patch',
  path: '/v1/claims/{id}',
  operationId: 'updateClaim',
  description: 'The policy of devices that enrol with it from now on.',
  tags,
  security: operator,
  request: { params: z.object({ id: z.string().max(64) }), query: FleetQuery, ...jsonBody(AttachRequest) },
  responses: { 200: answer('the claim', Claim), ...refused },
})

const withdraw = createRoute({
  method: 'delete',
  path: '/v1/claims/{id}',
  operationId: 'withdrawClaim',
  description: 'No further key can use the claim. Devices that have used it are not touched.',
  tags,
  security: operator,
  request: { params: z.object({ id: z.string().max(64) }), query: FleetQuery },
  responses: { 204: { description: 'withdrawn' }, ...refused },
})

export function addClaimRoutes(app: App, deps: Deps): void {
  app.openapi(create, async (c) => {
    c.header('Cache-Control', 'no-store')
    return c.json(await createClaim(contextOf(c, deps), c.req.valid('json')), 201)
  })
  app.openapi(list, async (c) => c.json(await listClaims(deps, c.req.valid('query')), 200))
  app.openapi(attach, async (c) => {
    const target = { ...c.req.valid('query'), ...c.req.valid('param') }
    return c.json(await attachToClaim(contextOf(c, deps), target, c.req.valid('json').policy), 200)
  })
  app.openapi(withdraw, async (c) => {
    await withdrawClaim(contextOf(c, deps), { ...c.req.valid('query'), ...c.req.valid('param') })
    return c.body(null, 204)
  })
}
