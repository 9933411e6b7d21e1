import { OpenAPIHono } from '@hono/zod-openapi'
import { MusterError } from '@muster/contracts'
import { bodyLimit } from 'hono/body-limit'
import { createMiddleware } from 'hono/factory'
import { secureHeaders } from 'hono/secure-headers'
import { addAuditRoutes } from './audit/routes.ts'
import { addCertificateRoutes } from './certificates/routes.ts'
import { addChangeRoutes } from './changes/routes.ts'
import { addClaimRoutes } from './claims/routes.ts'
import type { Deps } from './context.ts'
import { addDeviceRoutes } from './devices/routes.ts'
import { addDocumentation } from './documentation/routes.ts'
import { limitEnrolment } from './enrolment/enrol-within-limits.ts'
import { addEnrolmentRoutes } from './enrolment/routes.ts'
import { addEstRoutes } from './est/routes.ts'
import { addFleetRoutes } from './fleets/routes.ts'
import { addGroupRoutes } from './groups/routes.ts'
import { addReadiness } from './health/routes.ts'
import { type App, type AppEnv, contextOf } from './http/env.ts'
import { createNotFoundHandler } from './http/not-found.ts'
import { logRequests } from './http/request-log.ts'
import { addIssuerRoutes } from './issuers/routes.ts'
import { authenticateOperator } from './operators/authenticate.ts'
import { addPolicyRoutes } from './policies/routes.ts'
import { addPreviewRoutes } from './previews/routes.ts'
import { createErrorHandler, InvalidRequest } from './problem.ts'
import { addRefusalRoutes } from './refusals/routes.ts'
import { addRenewalRoutes } from './renewal/routes.ts'
import { addRenewalWindowRoutes } from './renewal-windows/routes.ts'
import { addRevocationRoutes } from './revocations/routes.ts'
import { addTelemetryRoutes } from './telemetry/routes.ts'

const maxBodyBytes = 64 * 1024

/** What a device asks for without an operator's token. */
const forDevices: readonly string[] = ['/v1/bootstrap', '/v1/enrol', '/v1/renew', '/v1/renewal']

/** The HTTPS API. No side effects: nothing listens, nothing runs. */
export function createApp(deps: Deps): App {
  const app: App = new OpenAPIHono<AppEnv>({
    defaultHook: (result) => {
      if (!result.success) throw new InvalidRequest(result.target, result.error)
    },
  })
  app.use(logRequests(deps), secureHeaders({ strictTransportSecurity: false }))
  const handleError = createErrorHandler(deps.log)
  app.onError(handleError)
  app.notFound(createNotFoundHandler(app, handleError))
  app.use('/v1/*', requireOperator(deps), limitBody)
  app.use('/.well-known/est/*', limitBody)

  const enrol = limitEnrolment()
  addEnrolmentRoutes(app, deps, enrol)
  addEstRoutes(app, deps, enrol)
  addRenewalRoutes(app, deps)
  addClaimRoutes(app, deps)
  addDeviceRoutes(app, deps)
  addRevocationRoutes(app, deps)
  addChangeRoutes(app, deps)
  addTelemetryRoutes(app, deps)
  addRefusalRoutes(app, deps)
  addPolicyRoutes(app, deps)
  addPreviewRoutes(app, deps)
  addGroupRoutes(app, deps)
  addFleetRoutes(app, deps)
  addRenewalWindowRoutes(app, deps)
  addIssuerRoutes(app, deps)
  addCertificateRoutes(app, deps)
  addAuditRoutes(app, deps)
  addReadiness(app, deps)
  addDocumentation(app)
  return app
}

const requireOperator = (deps: Deps) =>
  createMiddleware<AppEnv>(async (c, next) => {
    if (!forDevices.includes(c.req.path))
      c.set('actor', await authenticateOperator(contextOf(c, deps), c.req.header('authorization')))
    await next()
  })

const tooLarge = () => new MusterError('request-too-large', `a body has at most ${maxBodyBytes} bytes`)

const limitAsRead = bodyLimit({
  maxSize: maxBodyBytes,
  onError: () => {
    throw tooLarge()
  },
})

/** A length that is told is kept to by Node's parser; only a body of unknown length is watched, which makes a web stream of it. */
const limitBody = createMiddleware<AppEnv>(async (c, next) => {
  if (c.req.method === 'GET' || c.req.method === 'HEAD') return next()
  const told = c.req.header('content-length')
  if (told === undefined || c.req.header('transfer-encoding') !== undefined) return limitAsRead(c, next)
  if (!(Number(told) <= maxBodyBytes)) throw tooLarge()
  return next()
})
