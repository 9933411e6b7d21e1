import { createRoute, z } from '@hono/zod-openapi'
import {
  AcceptedRevocation,
  Certificate,
  ChangedDevice,
  Device,
  DeviceState,
  FleetQuery,
  Name,
  PageQuery,
  pageOf,
  Refusal,
  RevokeRequest,
  TelemetryMessage,
  UpdateDeviceRequest,
} from '@muster/contracts'
import type { Deps } from '../context.ts'
import { type App, contextOf } from '../http/env.ts'
import { answer, jsonBody, operator, refused } from '../http/responses.ts'
import { listRefusalsOfDevice } from '../refusals/list-of-device.ts'
import { approveDevice } from './approve.ts'
import { findDevice } from './find.ts'
import { listDevices } from './list.ts'
import { listCertificates } from './list-certificates.ts'
import { listTelemetry } from './list-telemetry.ts'
import { rejectDevice } from './reject.ts'
import { resumeDevice } from './resume.ts'
import { retireDevice } from './retire.ts'
import { revokeDevice } from './revoke.ts'
import { suspendDevice } from './suspend.ts'
import { updateDevice } from './update.ts'

const tags = ['devices']
const params = z.object({ id: Name })
const PagedFleetQuery = FleetQuery.extend(PageQuery.shape)

const list = createRoute({
  method: 'get',
  path: '/v1/devices',
  operationId: 'listDevices',
  tags,
  security: operator,
  request: {
    query: PagedFleetQuery.extend({ state: DeviceState.optional(), group: Name.optional(), prefix: Name.optional() }),
  },
  responses: { 200: answer('a page of devices, by id', pageOf(Device)), ...refused },
})

const get = createRoute({
  method: 'get',
  path: '/v1/devices/{id}',
  operationId: 'getDevice',
  tags,
  security: operator,
  request: { params, query: FleetQuery },
  responses: { 200: answer('the device', Device), ...refused },
})

const update = createRoute({
  method: 'patch',
  path: '/v1/devices/{id}',
  operationId: 'updateDevice',
  description: 'Moves it to another group, or attaches a policy to it. Its live connection is judged by it at once.',
  tags,
  security: operator,
  request: { params, query: FleetQuery, ...jsonBody(UpdateDeviceRequest) },
  responses: { 200: answer('the device', ChangedDevice), ...refused },
})

const revoke = createRoute({
  method: 'post',
  path: '/v1/devices/{id}/revoke',
  operationId: 'revokeDevice',
  description:
    'Its certificates end and every broker closes its connection; GET /v1/revocations/{id} has the receipts.',
  tags,
  security: operator,
  request: {
    params,
    query: FleetQuery,
    body: { required: false, content: { 'application/json': { schema: RevokeRequest } } },
  },
  responses: { 202: answer('accepted', AcceptedRevocation), ...refused },
})

const transitions = {
  approve: approveDevice,
  reject: rejectDevice,
  suspend: suspendDevice,
  resume: resumeDevice,
  retire: retireDevice,
}

const transitionRoute = (action: keyof typeof transitions) =>
  createRoute({
    method: 'post',
    path: `/v1/devices/{id}/${action}` as const,
    operationId: `${action}Device`,
    tags,
    security: operator,
    request: { params, query: FleetQuery },
    responses: { 200: answer('the device', ChangedDevice), ...refused },
  })

const subList = <Item extends z.ZodType>(name: string, description: string, item: Item) =>
  createRoute({
    method: 'get',
    path: `/v1/devices/{id}/${name}`,
    operationId: `listDevice${name.charAt(0).toUpperCase()}${name.slice(1)}`,
    tags,
    security: operator,
    request: { params, query: PagedFleetQuery },
    responses: { 200: answer(description, pageOf(item)), ...refused },
  })

const certificates = subList('certificates', 'every certificate it ever had, the newest first', Certificate)
const telemetry = subList('telemetry', 'what it published, the newest first', TelemetryMessage)
const refusals = subList('refusals', 'what it was refused and why, the newest first', Refusal)

export function addDeviceRoutes(app: App, deps: Deps): void {
  app.openapi(list, async (c) => c.json(await listDevices(deps, c.req.valid('query')), 200))
  app.openapi(get, async (c) =>
    c.json(await findDevice(deps, { ...c.req.valid('query'), ...c.req.valid('param') }), 200),
  )
  app.openapi(update, async (c) => {
    const target = { ...c.req.valid('query'), ...c.req.valid('param') }
    return c.json(await updateDevice(contextOf(c, deps), target, c.req.valid('json')), 200)
  })
  app.openapi(revoke, async (c) => {
    const target = { ...c.req.valid('query'), ...c.req.valid('param') }
    const { reason } = RevokeRequest.parse(c.req.valid('json') ?? {})
    return c.json(await revokeDevice(contextOf(c, deps), target, reason), 202)
  })
  for (const action of ['approve', 'reject', 'suspend', 'resume', 'retire'] as const)
    app.openapi(transitionRoute(action), async (c) => {
      const target = { ...c.req.valid('query'), ...c.req.valid('param') }
      return c.json(await transitions[action](contextOf(c, deps), target), 200)
    })
  app.openapi(certificates, async (c) => {
    const { fleet, ...page } = c.req.valid('query')
    return c.json(await listCertificates(deps, { fleet, ...c.req.valid('param') }, page), 200)
  })
  app.openapi(telemetry, async (c) => {
    const { fleet, ...page } = c.req.valid('query')
    return c.json(await listTelemetry(deps, { fleet, ...c.req.valid('param') }, page), 200)
  })
  app.openapi(refusals, async (c) => {
    const { fleet, ...page } = c.req.valid('query')
    return c.json(await listRefusalsOfDevice(deps, { fleet, ...c.req.valid('param') }, page), 200)
  })
}
