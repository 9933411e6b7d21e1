import { createRoute, z } from '@hono/zod-openapi'
import { ChangedFleet, CreateFleetRequest, Fleet, Name, PageQuery, pageOf, UpdateFleetRequest } from '@muster/contracts'
import type { Deps } from '../context.ts'
import { type App, contextOf } from '../http/env.ts'
import { answer, jsonBody, operator, refused } from '../http/responses.ts'
import { createFleet } from './create.ts'
import { listFleets } from './list.ts'
import { updateFleet } from './update.ts'

const tags = ['fleets']

const list = createRoute({
  method: 'get',
  path: '/v1/fleets',
  operationId: 'listFleets',
  tags,
  security: operator,
  request: { query: PageQuery },
  responses: { 200: answer('a page of fleets', pageOf(Fleet)), ...refused },
})

const create = createRoute({
  method: 'post',
  path: '/v1/fleets',
  operationId: 'createFleet',
  tags,
  security: operator,
  request: jsonBody(CreateFleetRequest),
  responses: { 201: answer('created', Fleet), ...refused },
})

const update = createRoute({
  method: 'patch',
  path: '/v1/fleets/{name}',
  operationId: 'updateFleet',
  description:
    'For how long an expired certificate may still renew; the policy where nothing more specific is attached; what happens to a certificate in use in two places.',
  tags,
  security: operator,
  request: { params: z.object({ name: Name }), ...jsonBody(UpdateFleetRequest) },
  responses: { 200: answer('the fleet', ChangedFleet), ...refused },
})

export function addFleetRoutes(app: App, deps: Deps): void {
  app.openapi(list, async (c) => c.json(await listFleets(deps, c.req.valid('query')), 200))
  app.openapi(create, async (c) => c.json(await createFleet(contextOf(c, deps), c.req.valid('json')), 201))
  app.openapi(update, async (c) =>
    c.json(await updateFleet(contextOf(c, deps), c.req.valid('param').name, c.req.valid('json')), 200),
  )
}
