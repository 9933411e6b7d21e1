import type { HttpBindings } from '@hono/node-server'
import type { OpenAPIHono } from '@hono/zod-openapi'
import type { MusterError } from '@muster/contracts'
import type { Context as HttpContext } from 'hono'
import type { Context, Deps } from '../context.ts'

export interface AppEnv {
  Bindings: HttpBindings
  Variables: {
    requestId: string
    /** Absent on requests that nobody has authenticated. */
    actor: string | undefined
    refusal: MusterError | undefined
    /** Further fields of the request's log line. */
    logged: Record<string, unknown> | undefined
  }
}

export type App = OpenAPIHono<AppEnv>

export function contextOf(c: HttpContext<AppEnv>, deps: Deps): Context {
  return { ...deps, actor: c.get('actor') ?? 'anonymous', requestId: c.get('requestId') }
}
