import { isUtf8 } from 'node:buffer'
import type { TelemetryMessage } from '@muster/contracts'
import { telemetry } from '@muster/db'
import { and, desc, eq, lt } from 'drizzle-orm'
import { z } from 'zod'
import type { Context } from '../context.ts'
import { decodeCursor, toPage } from '../http/paging.ts'
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

function presentMessage({ topic, payload, qos, receivedAt }: typeof telemetry.$inferSelect): TelemetryMessage {
  const encoding = isUtf8(payload) ? 'utf8' : 'base64'
  return { topic, payload: payload.toString(encoding), encoding, qos, receivedAt: receivedAt.toISOString() }
}
