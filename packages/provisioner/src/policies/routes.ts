import { createRoute, z } from '@hono/zod-openapi'
import { FleetQuery, Name, PageQuery, Policy, pageOf } from '@muster/contracts'
import type { Deps } from '../context.ts'
import type { App } from '../http/env.ts'
import { answer, operator, refused } from '../http/responses.ts'
import { findPolicy } from './find.ts'
import { listPolicies } from './list.ts'

const tags = ['policies']

const list = createRoute({
  method: 'get',
  path: '/v1/policies',
  operationId: 'listPolicies',
  tags,
  security: operator,
  request: { query: FleetQuery.extend(PageQuery.shape) },
  responses: { 200: answer('presets and policies of the fleet', pageOf(Policy)), ...refused },
})

const get = createRoute({
  method: 'get',
  path: '/v1/policies/{name}',
  operationId: 'getPolicy',
  tags,
  security: operator,
  request: { params: z.object({ name: Name }), query: FleetQuery },
  responses: { 200: answer('the policy', Policy), ...refused },
})

export function addPolicyRoutes(app: App, deps: Deps): void {
  app.openapi(list, async (c) => c.json(await listPolicies(deps, c.req.valid('query')), 200))
  app.openapi(get, async (c) => {
    const { fleet } = c.req.valid('query')
    return c.json(await findPolicy(deps.db, fleet, c.req.valid('param').name), 200)
  })
}
