import { createRoute, z } from '@hono/zod-openapi'
import { Certificate, certificateStates, Forecast, Instant, Name, PageQuery, pageOf } from '@muster/contracts'
import type { Deps } from '../context.ts'
import type { App } from '../http/env.ts'
import { answer, operator, refused } from '../http/responses.ts'
import { forecastExpiry } from './forecast.ts'
import { listCertificates } from './list.ts'

const tags = ['certificates']

const list = createRoute({
  method: 'get',
  path: '/v1/certificates',
  operationId: 'listCertificates',
  description: 'Of all fleets unless one is named; those in use unless a state is named. The first to end comes first.',
  tags,
  security: operator,
  request: {
    query: PageQuery.extend({
      fleet: Name.optional(),
      issuer: Name.optional(),
      state: z.enum(certificateStates).optional(),
      expiresBefore: Instant.optional(),
    }),
  },
  responses: { 200: answer('a page of certificates', pageOf(Certificate)), ...refused },
})

const forecast = createRoute({
  method: 'get',
  path: '/v1/certificates/forecast',
  operationId: 'forecastCertificates',
  tags,
  security: operator,
  request: { query: z.object({ hours: z.coerce.number().int().min(1).max(8_784).default(72) }) },
  responses: { 200: answer('what ends when', Forecast), ...refused },
})

export function addCertificateRoutes(app: App, deps: Deps): void {
  app.openapi(forecast, async (c) => c.json(await forecastExpiry(deps, c.req.valid('query').hours), 200))
  app.openapi(list, async (c) => {
    const { limit, cursor, ...filter } = c.req.valid('query')
    return c.json(await listCertificates(deps, filter, { limit, cursor }), 200)
  })
}
