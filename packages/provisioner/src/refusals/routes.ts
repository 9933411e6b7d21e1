import { createRoute } from '@hono/zod-openapi'
import { pageOf, Refusal, RefusalsQuery } from '@muster/contracts'
import type { Deps } from '../context.ts'
import type { App } from '../http/env.ts'
import { answer, operator, refused } from '../http/responses.ts'
import { listRefusals } from './list.ts'

const list = createRoute({
  method: 'get',
  path: '/v1/refusals',
  operationId: 'listRefusals',
  description: 'Of all fleets, and of strangers who named none. What was only claimed is marked: `proven` is false.',
  tags: ['refusals'],
  security: operator,
  request: { query: RefusalsQuery },
  responses: { 200: answer('what was refused and why: alerts first, then the newest', pageOf(Refusal)), ...refused },
})

export function addRefusalRoutes(app: App, deps: Deps): void {
  app.openapi(list, async (c) => c.json(await listRefusals(deps, c.req.valid('query')), 200))
}
