import { Agent, type RequestOptions, request } from 'node:https'
import { text } from 'node:stream/consumers'
import { isErrorCode, MusterError, Problem, pageOf } from '@muster/contracts'
import type { z } from 'zod'
import { CliError } from '../exit.ts'
import { describeUnreachable } from './unreachable.ts'

export interface ApiAddress {
  url: string
  /** PEM of the root: the only one that this connection trusts. */
  ca: string
  token?: string | undefined
}

type Query = Record<string, string | number | undefined>

/** Requests to the operator API; every answer is checked against its schema. */
export interface Api extends Disposable {
  readonly url: string
  get<T extends z.ZodType>(path: string, answer: T, query?: Query): Promise<z.output<T>>
  post<T extends z.ZodType>(path: string, body: unknown, answer: T, query?: Query): Promise<z.output<T>>
  patch<T extends z.ZodType>(path: string, body: unknown, answer: T, query?: Query): Promise<z.output<T>>
  /** With `ifVersion` it is refused where another version is in force. */
  put<T extends z.ZodType>(
    path: string,
    body: unknown,
    answer: T,
    query?: Query,
    ifVersion?: number,
  ): Promise<z.output<T>>
  remove(path: string, query?: Query): Promise<void>
  /** All pages of a list, or as many items as `most`. */
  list<T extends z.ZodType>(path: string, item: T, query?: Query, most?: number): Promise<z.output<T>[]>
}

const timeoutMs = 15_000

export function openApi({ url, ca, token }: ApiAddress): Api {
  const agent = new Agent({ ca, keepAlive: true, maxSockets: 2 })
  const authorization = token === undefined ? {} : { authorization: `Bearer ${token}` }

  async function call(
    method: string,
    path: string,
    query: Query = {},
    body?: unknown,
    more: Record<string, string> = {},
  ): Promise<unknown> {
    const target = new URL(path, url)
    for (const [name, value] of Object.entries(query))
      if (value !== undefined) target.searchParams.set(name, String(value))
    const content = body === undefined ? undefined : JSON.stringify(body)
    const headers = {
      ...more,
      ...authorization,
      ...(content === undefined ? {} : { 'content-type': 'application/json' }),
    }
    const answer = await send(target, { method, headers, agent, timeout: timeoutMs }, content)
    if (answer.status < 300) return answer.text === '' ? undefined : parseJson(url, answer.text)
    throw readProblem(url, answer)
  }

  const api: Api = {
    url,
    get: async (path, answer, query) => check(url, answer, await call('GET', path, query)),
    post: async (path, body, answer, query) => check(url, answer, await call('POST', path, query, body)),
    patch: async (path, body, answer, query) => check(url, answer, await call('PATCH', path, query, body)),
    put: async (path, body, answer, query, ifVersion) => {
      const condition: Record<string, string> = ifVersion === undefined ? {} : { 'if-match': `"${ifVersion}"` }
      return check(url, answer, await call('PUT', path, query, body, condition))
    },
    remove: async (path, query) => void (await call('DELETE', path, query)),
    async list(path, item, query = {}, most = Number.POSITIVE_INFINITY) {
      const items: z.output<typeof item>[] = []
      for (let cursor: string | undefined; items.length < most; ) {
        const limit = Math.min(most - items.length, 1_000)
        const page = await api.get(path, pageOf(item), { ...query, limit, cursor })
        items.push(...page.items)
        if (page.next === null) break
        cursor = page.next
      }
      return items
    },
    [Symbol.dispose]: () => agent.destroy(),
  }
  return api
}

interface Answer {
  status: number
  text: string
}

function send(target: URL, options: RequestOptions, content: string | undefined): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const fail = (cause: Error) => reject(describeUnreachable(target, cause))
    const outgoing = request(target, options, (incoming) => {
      text(incoming).then((body) => resolve({ status: incoming.statusCode ?? 0, text: body }), fail)
    })
    outgoing.on('timeout', () => outgoing.destroy(Object.assign(new Error('no answer'), { code: 'ETIMEDOUT' })))
    outgoing.on('error', fail)
    outgoing.end(content)
  })
}

function check<T extends z.ZodType>(url: string, schema: T, value: unknown): z.output<T> {
  const result = schema.safeParse(value)
  if (result.success) return result.data
  const where = result.error.issues[0]?.path.join('.')
  throw new CliError(`${url} answered in a form that this version does not know (${where})`, {
    hint: 'are the CLI and the provisioner of the same version?',
    cause: result.error,
  })
}

function readProblem(url: string, answer: Answer): Error {
  const problem = Problem.safeParse(parseJson(url, answer.text))
  if (!problem.success) return new CliError(`${url} answered ${answer.status}`)
  const { type, title, detail, errors = [] } = problem.data
  const code = type.split(':').at(-1)
  const all = [detail, ...errors.map((error) => `${error.pointer} ${error.detail}`)].filter(Boolean).join('; ')
  return isErrorCode(code) ? new MusterError(code, all) : new CliError(`${title}: ${all}`)
}

function parseJson(url: string, content: string): unknown {
  try {
    return JSON.parse(content)
  } catch (cause) {
    throw new CliError(`${url} did not answer like a Muster API`, { cause })
  }
}
