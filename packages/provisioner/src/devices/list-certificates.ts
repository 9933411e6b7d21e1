import { certificates } from '@muster/db'
import { and, desc, eq, sql } from 'drizzle-orm'
import { z } from 'zod'
import { presentCertificate } from '../certificates/present.ts'
import type { Context } from '../context.ts'
import { decodeCursor, toPage } from '../http/paging.ts'
import { findDevice } from './find.ts'
import type { DeviceTarget } from './transition.ts'

/** The newest first. */
export async function listCertificates(
  ctx: Pick<Context, 'db'>,
  target: DeviceTarget,
  page: { limit: number; cursor?: string | undefined },
) {
  const after = decodeCursor(page.cursor, z.tuple([z.iso.datetime(), z.string()]))
  await findDevice(ctx, target)
  const rows = await ctx.db
    .select()
    .from(certificates)
    .where(
      and(
        eq(certificates.fleet, target.fleet),
        eq(certificates.device, target.id),
        after &&
          sql`(${certificates.notBefore}, ${certificates.serial}) < (${after[0]}::timestamptz, ${after[1]}::text)`,
      ),
    )
    .orderBy(desc(certificates.notBefore), desc(certificates.serial))
    .limit(page.limit + 1)
  return toPage(rows, page.limit, presentCertificate, (row) => [row.notBefore.toISOString(), row.serial])
}
