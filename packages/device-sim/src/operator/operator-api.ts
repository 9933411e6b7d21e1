import type { z } from 'zod'

type Query = Record<string, string | number | undefined>

/** Requests to the platform as its operator; the CLI's client is one. A refusal rejects with a MusterError. */
export interface OperatorApi {
  readonly url: string
  get<T extends z.ZodType>(path: string, answer: T, query?: Query): Promise<z.output<T>>
  post<T extends z.ZodType>(path: string, body: unknown, answer: T, query?: Query): Promise<z.output<T>>
  remove(path: string, query?: Query): Promise<void>
  /** All pages of a list, or as many items as `most`. */
  list<T extends z.ZodType>(path: string, item: T, query?: Query, most?: number): Promise<z.output<T>[]>
}
