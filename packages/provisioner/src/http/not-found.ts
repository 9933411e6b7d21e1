import { MusterError } from '@muster/contracts'
import type { ErrorHandler, NotFoundHandler } from 'hono'
import type { App, AppEnv } from './env.ts'

/** 404, or 405 where another method would have been right. */
export function createNotFoundHandler(app: App, handleError: ErrorHandler<AppEnv>): NotFoundHandler<AppEnv> {
  let known: { method: string; pattern: RegExp }[] | undefined
  return (c) => {
    known ??= app.routes
      .filter(({ method }) => method !== 'ALL')
      .map(({ method, path }) => ({ method, pattern: new RegExp(`^${path.replace(/:[a-z]+/g, '[^/]+')}$`) }))
    const allowed = new Set(known.filter(({ pattern }) => pattern.test(c.req.path)).map(({ method }) => method))
    if (allowed.size === 0) return handleError(new MusterError('not-found', 'there is nothing at this path'), c)
    c.header('Allow', [...allowed].join(', '))
    return handleError(new MusterError('method-not-allowed', `${c.req.method} is not possible here`), c)
  }
}
