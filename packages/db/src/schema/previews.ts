import type { PreviewAnswer, Proposal } from '@muster/contracts'
import { bigint, index, jsonb, pgTable, primaryKey, text, timestamp } from 'drizzle-orm/pg-core'

/** A change of policy that somebody thinks of: brokers tell what it would cut. The rows live for seconds. */
export const previews = pgTable(
  'previews',
  {
    id: bigint({ mode: 'number' }).primaryKey().generatedAlwaysAsIdentity(),
    proposal: jsonb().$type<Proposal>().notNull(),
    at: timestamp({ withTimezone: true }).notNull(),
  },
  (table) => [index().on(table.at)],
)

export const previewAnswers = pgTable(
  'preview_answers',
  {
    preview: bigint({ mode: 'number' })
      .notNull()
      .references(() => previews.id, { onDelete: 'cascade' }),
    node: text().notNull(),
    answer: jsonb().$type<PreviewAnswer>().notNull(),
  },
  (table) => [primaryKey({ columns: [table.preview, table.node] })],
)
