import { createRoute, z } from '@hono/zod-openapi'
import { FleetQuery, Revocation } from '@muster/contracts'
import type { Deps } from '../context.ts'
import type { App } from '../http/env.ts'
import { answer, operator, refused } from '../http/responses.ts'
import { findRevocation } from './find.ts'

const get = createRoute({
  method: 'get',
  path: '/v1/revocations/{id}',
  operationId: 'getRevocation',
  tags: ['devices'],
  security: operator,
  request: { params: z.object({ id: z.string().max(64) }), query: FleetQuery },
  responses: {
    200: answer('how far it is carried out, with the receipt of every broker node', Revocation),
    ...refused,
  },
})

export function addRevocationRoutes(app: App, deps: Deps): void {
  app.openapi(get, async (c) =>
    c.json(await findRevocation(deps, { ...c.req.valid('query'), ...c.req.valid('param') }), 200),
  )
}
