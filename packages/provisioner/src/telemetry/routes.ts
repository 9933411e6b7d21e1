import { createRoute } from '@hono/zod-openapi'
import { FleetTelemetryMessage, pageOf, TelemetryQuery } from '@muster/contracts'
import type { Deps } from '../context.ts'
import type { App } from '../http/env.ts'
import { answer, operator, refused } from '../http/responses.ts'
import { listFleetTelemetry } from './list.ts'

const list = createRoute({
  method: 'get',
  path: '/v1/telemetry',
  operationId: 'listTelemetry',
  description:
    'Everything that is stored of a fleet, for back-ends that read it in bulk: 1,000 messages a page at most, each page at the same cost.',
  tags: ['telemetry'],
  security: operator,
  request: { query: TelemetryQuery },
  responses: {
    200: answer('by device, and of each in the order in which it was stored', pageOf(FleetTelemetryMessage)),
    ...refused,
  },
})

export function addTelemetryRoutes(app: App, deps: Deps): void {
  app.openapi(list, async (c) => c.json(await listFleetTelemetry(deps, c.req.valid('query')), 200))
}
