import { createRoute, z } from '@hono/zod-openapi'
import {
  AttachedPolicy,
  Check,
  CheckRequest,
  FleetQuery,
  MusterError,
  Name,
  PageQuery,
  Policy,
  PolicyRecord,
  pageOf,
  SavedPolicy,
} from '@muster/contracts'
import type { Deps } from '../context.ts'
import { type App, contextOf } from '../http/env.ts'
import { answer, jsonBody, operator, refused } from '../http/responses.ts'
import { countAttachments } from './attachments.ts'
import { checkPolicy } from './check.ts'
import { findPolicyRecord } from './find.ts'
import { listPolicies, listVersions } from './list.ts'
import { removePolicy } from './remove.ts'
import { savePolicy } from './save.ts'

const tags = ['policies']
const params = z.object({ name: Name })
const PagedFleetQuery = FleetQuery.extend(PageQuery.shape)
const IfMatch = z
  .string()
  .regex(/^"?\d{1,9}"?$/, 'must be a version')
  .optional()
const headers = z.object({
  'if-match': IfMatch.describe('the version that it was made from; `conflict` where another is in force'),
})

const list = createRoute({
  method: 'get',
  path: '/v1/policies',
  operationId: 'listPolicies',
  tags,
  security: operator,
  request: { query: PagedFleetQuery },
  responses: { 200: answer('presets and policies of the fleet', pageOf(PolicyRecord)), ...refused },
})

const get = createRoute({
  method: 'get',
  path: '/v1/policies/{name}',
  operationId: 'getPolicy',
  description: 'The version in force, and where it is attached. ETag is the version.',
  tags,
  security: operator,
  request: { params, query: FleetQuery },
  responses: { 200: answer('the policy', AttachedPolicy), ...refused },
})

const save = createRoute({
  method: 'put',
  path: '/v1/policies/{name}',
  operationId: 'savePolicy',
  description: 'A new version, which reaches live sessions at once. If-Match: 0 saves only what is not there yet.',
  tags,
  security: operator,
  request: { params, query: FleetQuery, headers, ...jsonBody(Policy) },
  responses: { 200: answer('saved', SavedPolicy), ...refused },
})

const remove = createRoute({
  method: 'delete',
  path: '/v1/policies/{name}',
  operationId: 'removePolicy',
  description: 'Refused while it is attached. Its versions stay on record.',
  tags,
  security: operator,
  request: { params, query: FleetQuery, headers },
  responses: { 204: { description: 'deleted' }, ...refused },
})

const versions = createRoute({
  method: 'get',
  path: '/v1/policies/{name}/versions',
  operationId: 'listPolicyVersions',
  tags,
  security: operator,
  request: { params, query: PagedFleetQuery },
  responses: { 200: answer('every version ever saved, the newest first', pageOf(PolicyRecord)), ...refused },
})

const version = createRoute({
  method: 'get',
  path: '/v1/policies/{name}/versions/{version}',
  operationId: 'getPolicyVersion',
  tags,
  security: operator,
  request: { params: params.extend({ version: z.coerce.number().int().min(1).max(1e9) }), query: FleetQuery },
  responses: { 200: answer('the version', PolicyRecord), ...refused },
})

const check = createRoute({
  method: 'post',
  path: '/v1/policies/check',
  operationId: 'checkPolicy',
  description: 'Whether a device may publish or subscribe, and the rule that decides.',
  tags,
  security: operator,
  request: { query: FleetQuery, ...jsonBody(CheckRequest) },
  responses: { 200: answer('the decision', Check), ...refused },
})

const readVersion = (ifMatch: string | undefined) =>
  ifMatch === undefined ? undefined : Number(ifMatch.replaceAll('"', ''))

export function addPolicyRoutes(app: App, deps: Deps): void {
  app.openapi(list, async (c) => c.json(await listPolicies(deps, c.req.valid('query')), 200))
  app.openapi(get, async (c) => {
    const target = { ...c.req.valid('query'), ...c.req.valid('param') }
    const record = await findPolicyRecord(deps.db, target)
    if (record.version !== null) c.header('ETag', `"${record.version}"`)
    return c.json({ ...record, attached: await countAttachments(deps.db, target, deps.now()) }, 200)
  })
  app.openapi(save, async (c) => {
    const [{ fleet }, document] = [c.req.valid('query'), c.req.valid('json')]
    if (document.name !== c.req.valid('param').name)
      throw new MusterError('request-invalid', `the document is of policy ${document.name}`)
    const expected = readVersion(c.req.valid('header')['if-match'])
    return c.json(await savePolicy(contextOf(c, deps), { fleet, document, expected }), 200)
  })
  app.openapi(remove, async (c) => {
    const target = { ...c.req.valid('query'), ...c.req.valid('param') }
    await removePolicy(contextOf(c, deps), target, readVersion(c.req.valid('header')['if-match']))
    return c.body(null, 204)
  })
  app.openapi(versions, async (c) => {
    const { fleet, ...page } = c.req.valid('query')
    return c.json(await listVersions(deps, { fleet, ...c.req.valid('param') }, page), 200)
  })
  app.openapi(version, async (c) => {
    const { version: wanted, ...target } = { ...c.req.valid('query'), ...c.req.valid('param') }
    return c.json(await findPolicyRecord(deps.db, target, wanted), 200)
  })
  app.openapi(check, async (c) =>
    c.json(await checkPolicy(deps, { ...c.req.valid('query'), ...c.req.valid('json') }), 200),
  )
}
