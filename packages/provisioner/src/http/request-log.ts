import { randomUUID } from 'node:crypto'
import { createMiddleware } from 'hono/factory'
import { routePath } from 'hono/route'
import type { Deps } from '../context.ts'
import { readAddress } from './address.ts'
import type { AppEnv } from './env.ts'

/** Names the request, times it and writes its one log line; bodies, queries and headers are never logged. */
export const logRequests = ({ log, metrics }: Pick<Deps, 'log' | 'metrics'>) =>
  createMiddleware<AppEnv>(async (c, next) => {
    const requestId = randomUUID()
    const started = performance.now()
    c.set('requestId', requestId)
    await next()
    c.header('X-Request-Id', requestId)
    const ms = performance.now() - started
    const { method, path } = c.req
    const { status } = c.res
    const refusal = c.get('refusal')
    const route = status === 404 && refusal?.code === 'not-found' ? 'none' : routePath(c, -1)
    metrics.httpSeconds.observe({ method, route, status }, ms / 1000)
    if (refusal) metrics.refusals.inc({ code: refusal.code })
    const line = {
      requestId,
      method,
      path,
      status,
      ms: Math.round(ms * 10) / 10,
      address: readAddress(c),
      actor: c.get('actor'),
      code: refusal?.code,
      detail: refusal?.detail,
      ...c.get('logged'),
    }
    if (refusal?.code === 'unavailable') log.warn({ ...line, err: refusal.cause }, 'request')
    else log.info(line, 'request')
  })
