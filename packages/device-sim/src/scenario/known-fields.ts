import { createJsonSchema } from './json-schema.ts'

interface Schema {
  const?: unknown
  description?: string
  properties?: Record<string, Schema>
  additionalProperties?: Schema | false
  items?: Schema
  prefixItems?: Schema[]
  oneOf?: Schema[]
  anyOf?: Schema[]
}

/** What the schema says about a field of what is written. */
export function describeField(written: unknown, path: readonly PropertyKey[]): string | undefined {
  return find(written, path).find(({ description }) => description)?.description
}

/** For a field that is not known: the one that may be meant, or all there are. */
export function suggestField(written: unknown, path: readonly PropertyKey[]): string | undefined {
  const name = String(path.at(-1))
  const around = find(written, path.slice(0, -1))
  const known = [...new Set(around.flatMap(({ properties }) => Object.keys(properties ?? {})))]
  if (known.length === 0) return undefined
  const [closest] = known
    .map((one) => ({ one, distance: countEdits(name, one) }))
    .sort((a, b) => a.distance - b.distance)
  if (closest && closest.distance <= name.length / 2.5) return `did you mean ${closest.one}?`
  return `there are: ${known.join(', ')}`
}

/** All that may stand at a path: of a choice each possibility, or the one that `do` or `shape` names. */
function find(written: unknown, path: readonly PropertyKey[]): Schema[] {
  let value = written
  let at = choices(createJsonSchema() as Schema, value)
  for (const part of path) {
    value = (value as Record<PropertyKey, unknown> | undefined)?.[part]
    at = at.flatMap((schema) => choices(step(schema, part), value))
  }
  return at
}

function step(schema: Schema, part: PropertyKey): Schema | undefined {
  if (typeof part === 'number') return schema.items ?? schema.prefixItems?.[part]
  return schema.properties?.[String(part)] ?? (schema.additionalProperties || undefined)
}

function choices(schema: Schema | undefined, value: unknown): Schema[] {
  if (!schema) return []
  const inner = [...(schema.oneOf ?? []), ...(schema.anyOf ?? [])].filter((one) => isMeant(one, value))
  return [schema, ...inner.flatMap((one) => choices(one, value))]
}

function isMeant({ properties = {} }: Schema, value: unknown): boolean {
  const written = (value ?? {}) as Record<string, unknown>
  return Object.entries(properties).every(([name, { const: only }]) => only === undefined || written[name] === only)
}

/** Levenshtein's distance. */
function countEdits(one: string, other: string): number {
  let row = Array.from({ length: other.length + 1 }, (_, index) => index)
  for (let at = 1; at <= one.length; at += 1) {
    const next = [at]
    for (let to = 1; to <= other.length; to += 1) {
      const replaced = (row[to - 1] ?? 0) + (one[at - 1] === other[to - 1] ? 0 : 1)
      next.push(Math.min((row[to] ?? 0) + 1, (next[to - 1] ?? 0) + 1, replaced))
    }
    row = next
  }
  return row[other.length] ?? 0
}
