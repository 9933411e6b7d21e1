import { createRoute, z } from '@hono/zod-openapi'
import { AuditEntry, FleetQuery, PageQuery, pageOf } from '@muster/contracts'
import type { Deps } from '../context.ts'
import type { App } from '../http/env.ts'
import { answer, operator, refused } from '../http/responses.ts'
import { listAudit } from './list.ts'

const list = createRoute({
  method: 'get',
  path: '/v1/audit',
  operationId: 'listAudit',
  tags: ['audit'],
  security: operator,
  request: { query: FleetQuery.extend(PageQuery.shape).extend({ subject: z.string().max(128).optional() }) },
  responses: { 200: answer('who changed what, the newest first', pageOf(AuditEntry)), ...refused },
})

export function addAuditRoutes(app: App, deps: Deps): void {
  app.openapi(list, async (c) => c.json(await listAudit(deps, c.req.valid('query')), 200))
}
