import { isErrorCode, MusterError, pageOf } from '@muster/contracts'
import type { OperatorApi } from '@muster/device-sim'
import type { CallOptions } from './http.ts'
import type { Stack } from './stack.ts'

/** A stack's operator as the simulator wants it. */
export function operatorOf(stack: Stack): OperatorApi {
  async function ask(
    path: string,
    query: Record<string, string | number | undefined> = {},
    more: Partial<CallOptions> = {},
  ) {
    const given = Object.entries(query).flatMap(([name, value]) =>
      value === undefined ? [] : [[name, String(value)] as [string, string]],
    )
    const { status, json, text } = await stack.api(`${path}?${new URLSearchParams(given)}`, more)
    if (status < 300) return json
    const code = String(json?.type).split(':').at(-1)
    throw isErrorCode(code) ? new MusterError(code, json.detail) : new Error(`${path}: ${status} ${text}`)
  }
  const operator: OperatorApi = {
    url: `https://localhost:${stack.ports.api}`,
    get: async (path, answer, query) => answer.parse(await ask(path, query)),
    post: async (path, body, answer, query) => answer.parse(await ask(path, query, { body })),
    remove: async (path, query) => void (await ask(path, query, { method: 'DELETE' })),
    async list(path, item, query = {}, most = Number.POSITIVE_INFINITY) {
      const items = []
      for (let cursor: string | undefined; items.length < most; ) {
        const page = await operator.get(path, pageOf(item), { ...query, cursor })
        items.push(...page.items)
        if (page.next === null) break
        cursor = page.next
      }
      return items.slice(0, most)
    },
  }
  return operator
}
