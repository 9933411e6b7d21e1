import { createRoute, z } from '@hono/zod-openapi'
import {
  ActivateIssuerRequest,
  Issuer,
  Name,
  PageQuery,
  PrepareIssuerRequest,
  pageOf,
  RetireIssuerRequest,
} from '@muster/contracts'
import type { Deps } from '../context.ts'
import { type App, contextOf } from '../http/env.ts'
import { answer, jsonBody, operator, refused } from '../http/responses.ts'
import { activateIssuer } from './activate.ts'
import { findIssuer, listIssuers } from './list.ts'
import { prepareIssuer } from './prepare.ts'
import { retireIssuer } from './retire.ts'

const tags = ['issuers']
const params = z.object({ name: Name })
const optionalBody = <Schema extends z.ZodType>(schema: Schema) => ({
  required: false,
  content: { 'application/json': { schema } },
})

const list = createRoute({
  method: 'get',
  path: '/v1/issuers',
  operationId: 'listIssuers',
  tags,
  security: operator,
  request: { query: PageQuery },
  responses: { 200: answer('roots, cross certificates and issuing CAs, the oldest first', pageOf(Issuer)), ...refused },
})

const get = createRoute({
  method: 'get',
  path: '/v1/issuers/{name}',
  operationId: 'getIssuer',
  tags,
  security: operator,
  request: { params },
  responses: { 200: answer('the issuer', Issuer), ...refused },
})

const prepare = createRoute({
  method: 'post',
  path: '/v1/issuers',
  operationId: 'prepareIssuer',
  description: 'Makes the next issuing CA or root, or takes the one that was imported; brokers learn to trust it.',
  tags,
  security: operator,
  request: jsonBody(PrepareIssuerRequest),
  responses: { 201: answer('prepared', Issuer), ...refused },
})

const activate = createRoute({
  method: 'post',
  path: '/v1/issuers/{name}/activate',
  operationId: 'activateIssuer',
  description:
    'Refused until every broker that is alive trusts it. Certificates of the issuer before are to be renewed.',
  tags,
  security: operator,
  request: { params, body: optionalBody(ActivateIssuerRequest) },
  responses: { 200: answer('the issuer', Issuer), ...refused },
})

const retire = createRoute({
  method: 'post',
  path: '/v1/issuers/{name}/retire',
  operationId: 'retireIssuer',
  description: 'Refused while something depends on it. By force what depends on it ends.',
  tags,
  security: operator,
  request: { params, body: optionalBody(RetireIssuerRequest) },
  responses: { 200: answer('the issuer', Issuer), ...refused },
})

export function addIssuerRoutes(app: App, deps: Deps): void {
  app.openapi(list, async (c) => c.json(await listIssuers(deps, c.req.valid('query')), 200))
  app.openapi(get, async (c) => c.json(await findIssuer(deps, c.req.valid('param').name), 200))
  app.openapi(prepare, async (c) => c.json(await prepareIssuer(contextOf(c, deps), c.req.valid('json')), 201))
  app.openapi(activate, async (c) => {
    const request = ActivateIssuerRequest.parse(c.req.valid('json') ?? {})
    return c.json(await activateIssuer(contextOf(c, deps), c.req.valid('param').name, request), 200)
  })
  app.openapi(retire, async (c) => {
    const request = RetireIssuerRequest.parse(c.req.valid('json') ?? {})
    return c.json(await retireIssuer(contextOf(c, deps), c.req.valid('param').name, request), 200)
  })
}
