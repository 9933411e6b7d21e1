import { cloneActions, Name } from '@muster/contracts'
import { z } from 'zod'

const Instant = z.number().describe('milliseconds since the epoch')

/** A device has come to the sender, and the registry says that it is at the recipient. */
export const Question = z.object({
  kind: z.literal('question'),
  id: z.uuid(),
  fleet: Name,
  device: Name,
  fingerprint: z.string().regex(/^[0-9a-f]{64}$/),
  address: z.string().max(64),
  /** Of the connection at the sender, by its clock; `null`: it waits for the answer to be let in. */
  connectedAt: Instant.nullable(),
  /** Of the connection at the recipient that the sender means, by the recipient's clock. */
  since: Instant.nullable(),
  action: z.enum(cloneActions),
})
export type Question = z.infer<typeof Question>

/** How two are kept from taking turns, wherever the device is: in time that is left, or gone by, as clocks differ. */
export const QuarrelNews = z.object({
  waitMs: z.number().max(60_000),
  restMs: z.number().max(60_000),
  turns: z.number(),
  agoMs: z.number(),
})
export type QuarrelNews = z.infer<typeof QuarrelNews>

export const Answer = z.object({
  kind: z.literal('answer'),
  to: z.uuid(),
  /** `older`: the one that was asked about is the older of the two, and its own node is going to be asked. */
  outcome: z.enum(['free', 'kept', 'suspend', 'older']),
  why: z.string().max(300),
  quarrel: QuarrelNews.optional(),
})
export type Answer = z.infer<typeof Answer>

export const Letter = z.discriminatedUnion('kind', [Question, Answer])
