import { Hono } from 'hono'
import type { Deps } from '../context.ts'
import type { AppEnv } from '../http/env.ts'
import { createErrorHandler } from '../problem.ts'
import { requireReady } from './routes.ts'

/** Metrics and health, for the loopback. */
export function createHealthApp({ db, log, metrics }: Pick<Deps, 'db' | 'log' | 'metrics'>): Hono<AppEnv> {
  const app = new Hono<AppEnv>()
  app.onError(createErrorHandler(log))
  app.get('/livez', (c) => c.json({ status: 'live' }))
  app.get('/readyz', async (c) => {
    await requireReady({ db })
    return c.json({ status: 'ready' })
  })
  app.get('/metrics', async (c) =>
    c.body(await metrics.registry.metrics(), 200, { 'content-type': metrics.registry.contentType }),
  )
  return app
}
