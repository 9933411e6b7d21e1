import { createRoute, z } from '@hono/zod-openapi'
import {
  AttachRequest,
  ChangedGroup,
  CreateGroupRequest,
  FleetQuery,
  Group,
  Name,
  PageQuery,
  pageOf,
} from '@muster/contracts'
import type { Deps } from '../context.ts'
import { type App, contextOf } from '../http/env.ts'
import { answer, jsonBody, operator, refused } from '../http/responses.ts'
import { updateGroup } from './attach.ts'
import { createGroup } from './create.ts'
import { listGroups } from './list.ts'

const tags = ['groups']

const list = createRoute({
  method: 'get',
  path: '/v1/groups',
  operationId: 'listGroups',
  tags,
  security: operator,
  request: { query: FleetQuery.extend(PageQuery.shape) },
  responses: { 200: answer('a page of groups, by name', pageOf(Group)), ...refused },
})

const create = createRoute({
  method: 'post',
  path: '/v1/groups',
  operationId: 'createGroup',
  description: 'A group is there by being used; creating one gives it a policy before it has devices.',
  tags,
  security: operator,
  request: { query: FleetQuery, ...jsonBody(CreateGroupRequest) },
  responses: { 201: answer('created', Group), ...refused },
})

const update = createRoute({
  method: 'patch',
  path: '/v1/groups/{name}',
  operationId: 'updateGroup',
  description: 'Attaches a policy, which reaches live sessions at once.',
  tags,
  security: operator,
  request: { params: z.object({ name: Name }), query: FleetQuery, ...jsonBody(AttachRequest) },
  responses: { 200: answer('the group', ChangedGroup), ...refused },
})

export function addGroupRoutes(app: App, deps: Deps): void {
  app.openapi(list, async (c) => c.json(await listGroups(deps, c.req.valid('query')), 200))
  app.openapi(create, async (c) =>
    c.json(await createGroup(contextOf(c, deps), { ...c.req.valid('query'), ...c.req.valid('json') }), 201),
  )
  app.openapi(update, async (c) => {
    const target = { ...c.req.valid('query'), ...c.req.valid('param') }
    return c.json(await updateGroup(contextOf(c, deps), target, c.req.valid('json').policy), 200)
  })
}
