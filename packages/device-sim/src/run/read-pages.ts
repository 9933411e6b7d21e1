import { pageOf } from '@muster/contracts'
import type { z } from 'zod'
import type { OperatorApi } from '../operator/operator-api.ts'

/** A list of the operator API, page by page, so that a long one is never in memory. */
export async function* readPages<Item extends z.ZodType>(
  operator: Pick<OperatorApi, 'get'>,
  path: string,
  item: Item,
  query: Record<string, string>,
): AsyncGenerator<z.output<Item>> {
  const page = pageOf(item)
  for (let cursor: string | undefined; ; ) {
    const { items, next } = await operator.get(path, page, { ...query, limit: 1_000, cursor })
    yield* items
    if (next === null) return
    cursor = next
  }
}
