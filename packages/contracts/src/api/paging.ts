import { z } from 'zod'
import { Name } from '../identity.ts'

export const FleetQuery = z.object({ fleet: Name.default('default') })

export const PageQuery = z.object({
  limit: z.coerce.number().int().min(1).max(1_000).default(100),
  cursor: z.string().max(256).optional(),
})

/** A page of a list; `next` is the cursor of the following page, null on the last. */
export const pageOf = <Item extends z.ZodType>(item: Item) =>
  z.object({ items: z.array(item), next: z.string().nullable() })

export const Instant = z.iso.datetime()
