import { createRoute, z } from '@hono/zod-openapi'
import { ChangeReport, FleetQuery } from '@muster/contracts'
import type { Deps } from '../context.ts'
import type { App } from '../http/env.ts'
import { answer, operator, refused } from '../http/responses.ts'
import { reportChange } from './find.ts'

const get = createRoute({
  method: 'get',
  path: '/v1/changes/{id}',
  operationId: 'getChange',
  description:
    'A change that brokers act on: of a policy, of where one is attached, of a group, of the state of a device.',
  tags: ['devices'],
  security: operator,
  request: { params: z.object({ id: z.string().max(64) }), query: FleetQuery },
  responses: {
    200: answer('how far it is carried out, with the receipt of every broker node', ChangeReport),
    ...refused,
  },
})

export function addChangeRoutes(app: App, deps: Deps): void {
  app.openapi(get, async (c) =>
    c.json(await reportChange(deps, { ...c.req.valid('query'), ...c.req.valid('param') }), 200),
  )
}
