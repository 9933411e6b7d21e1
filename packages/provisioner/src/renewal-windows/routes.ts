import { createRoute, z } from '@hono/zod-openapi'
import { PageQuery, PulledRenewal, PullRenewalRequest, pageOf } from '@muster/contracts'
import type { Deps } from '../context.ts'
import { type App, contextOf } from '../http/env.ts'
import { answer, jsonBody, operator, refused } from '../http/responses.ts'
import { listRenewalWindows } from './list.ts'
import { pullRenewal } from './pull.ts'
import { removeRenewalWindow } from './remove.ts'

const tags = ['renewal']

const list = createRoute({
  method: 'get',
  path: '/v1/renewal-windows',
  operationId: 'listRenewalWindows',
  tags,
  security: operator,
  request: { query: PageQuery },
  responses: { 200: answer('a page of windows, the newest first', pageOf(PulledRenewal)), ...refused },
})

const pull = createRoute({
  method: 'post',
  path: '/v1/renewal-windows',
  operationId: 'pullRenewal',
  description:
    'Every certificate that matches all that is named, and that exists already, is renewed within the window, or in its own where that is earlier.',
  tags,
  security: operator,
  request: jsonBody(PullRenewalRequest),
  responses: { 201: answer('the window', PulledRenewal), ...refused },
})

const remove = createRoute({
  method: 'delete',
  path: '/v1/renewal-windows/{id}',
  operationId: 'removeRenewalWindow',
  tags,
  security: operator,
  request: { params: z.object({ id: z.string().regex(/^[1-9]\d{0,14}$/) }) },
  responses: { 204: { description: 'removed' }, ...refused },
})

export function addRenewalWindowRoutes(app: App, deps: Deps): void {
  app.openapi(list, async (c) => c.json(await listRenewalWindows(deps, c.req.valid('query')), 200))
  app.openapi(pull, async (c) => c.json(await pullRenewal(contextOf(c, deps), c.req.valid('json')), 201))
  app.openapi(remove, async (c) => {
    await removeRenewalWindow(contextOf(c, deps), Number(c.req.valid('param').id))
    return c.body(null, 204)
  })
}
