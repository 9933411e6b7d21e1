import { telemetry } from '@muster/db'
import { and, desc, eq, lt } from 'drizzle-orm'
import { z } from 'zod'
import type { Context } from '../context.ts'
import { decodeCursor, toPage } from '../http/paging.ts'
import { presentMessage } from '../telemetry/present.ts'
import { findDevice } from './find.ts'
import type { DeviceTarget } from './transition.ts'

/** The newest first. */
export async function listTelemetry(
  ctx: Pick<Context, 'db'>,
  target: DeviceTarget,
  page: { limit: number; cursor?: string | undefined },
) {
  const after = decodeCursor(page.cursor, z.tuple([z.int()]))
  await findDevice(ctx, target)
  const rows = await ctx.db
    .select()
    .from(telemetry)
    .where(
      and(eq(telemetry.fleet, target.fleet), eq(telemetry.device, target.id), after && lt(telemetry.seq, after[0])),
    )
    .orderBy(desc(telemetry.seq))
    .limit(page.limit + 1)
  return toPage(rows, page.limit, presentMessage, (row) => [row.seq])
}
