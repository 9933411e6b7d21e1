import { createRoute } from '@hono/zod-openapi'
import { FleetQuery, Preview, PreviewRequest } from '@muster/contracts'
import type { Deps } from '../context.ts'
import type { App } from '../http/env.ts'
import { answer, jsonBody, operator, refused } from '../http/responses.ts'
import { previewChange } from './preview.ts'

const create = createRoute({
  method: 'post',
  path: '/v1/previews',
  operationId: 'previewChange',
  description: 'Which live sessions and subscriptions a change would cut: a policy saved or attached, a device moved.',
  tags: ['policies'],
  security: operator,
  request: { query: FleetQuery, ...jsonBody(PreviewRequest) },
  responses: { 200: answer('what every broker node says', Preview), ...refused },
})

export function addPreviewRoutes(app: App, deps: Deps): void {
  app.openapi(create, async (c) =>
    c.json(await previewChange(deps, c.req.valid('query').fleet, c.req.valid('json')), 200),
  )
}
