import { createRoute, z } from '@hono/zod-openapi'
import { MusterError } from '@muster/contracts'
import type { Db } from '@muster/db'
import { sql } from 'drizzle-orm'
import type { App } from '../http/env.ts'
import { answer, refused } from '../http/responses.ts'

const patienceMs = 2_000

const ready = createRoute({
  method: 'get',
  path: '/readyz',
  operationId: 'getReadiness',
  tags: ['health'],
  responses: { 200: answer('ready', z.object({ status: z.literal('ready') })), ...refused },
})

export function addReadiness(app: App, deps: { db: Db }): void {
  app.openapi(ready, async (c) => {
    await requireReady(deps)
    return c.json({ status: 'ready' as const }, 200)
  })
}

export async function requireReady({ db }: { db: Db }): Promise<void> {
  const answered = db.execute(sql`select 1`).then(() => true)
  const late = new Promise<boolean>((resolve) => setTimeout(resolve, patienceMs, false).unref())
  if (!(await Promise.race([answered, late]))) throw new MusterError('unavailable', 'the registry does not answer')
}
