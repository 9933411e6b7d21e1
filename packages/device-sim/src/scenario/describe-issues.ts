import { type Document, isNode, isPair, isScalar, type LineCounter, visit } from 'yaml'
import type { z } from 'zod'
import { describeField, suggestField } from './known-fields.ts'

export interface ScenarioProblem {
  line: number
  column: number
  /** `devices.thermostat.count`; empty for the text as a whole. */
  path: string
  message: string
  hint?: string
}

type Issue = z.core.$ZodIssue
type Path = PropertyKey[]

/** What zod found, where it stands in the text. */
export function describeIssues(issues: readonly Issue[], document: Document, lines: LineCounter): ScenarioProblem[] {
  const written: unknown = document.toJS({ maxAliasCount: 100 })
  const problems = flattenFirst(issues).map((issue) => describe(issue, written, document, lines))
  return problems.sort((a, b) => a.line - b.line || a.column - b.column).slice(0, mostShown)
}

const mostShown = 20
/** To find the place of one takes a look at the whole text: a text full of them must not take minutes. */
const mostDescribed = 100

function flattenFirst(issues: readonly Issue[]): Issue[] {
  const flat: Issue[] = []
  for (const issue of issues) {
    if (flat.length >= mostDescribed) break
    flat.push(...flatten(issue).slice(0, mostDescribed))
  }
  return flat.slice(0, mostDescribed)
}

/** Of a union, the branch that the author meant: the one that got furthest. A key that is unknown is a problem of its own. */
function flatten(issue: Issue): Issue[] {
  if (issue.code === 'unrecognized_keys')
    return issue.keys.map((key) => ({ ...issue, path: [...issue.path, key], keys: [key] }))
  if (issue.code !== 'invalid_union' || issue.errors.length === 0 || issue.message !== 'Invalid input') return [issue]
  const depth = (branch: readonly Issue[]) =>
    Math.max(...branch.map(({ path, code }) => path.length * 2 + (code === 'invalid_type' ? 0 : 1)))
  const meant = issue.errors.toSorted((a, b) => depth(b) - depth(a))[0] ?? []
  return meant.flatMap((inner) => flatten({ ...inner, path: [...issue.path, ...inner.path] }))
}

function describe(issue: Issue, written: unknown, document: Document, lines: LineCounter): ScenarioProblem {
  const { line, col: column } = lines.linePos(findOffset(document, issue.path, issue.code === 'unrecognized_keys'))
  const hint = findHint(issue, written)
  return {
    line,
    column,
    path: writePath(issue.path),
    message: findMessage(issue, written),
    ...(hint !== undefined && { hint }),
  }
}

const writePath = (path: Path) =>
  path.map((part, index) => (typeof part === 'number' ? `[${part}]` : index === 0 ? part : `.${String(part)}`)).join('')

function findMessage(issue: Issue, written: unknown): string {
  if (issue.code === 'unrecognized_keys') return 'is not known'
  const value = issue.path.reduce<unknown>(
    (node, part) => (node as Record<PropertyKey, unknown> | null)?.[part],
    written,
  )
  if (value === undefined && issue.path.length > 0) return 'is missing'
  if (issue.code === 'invalid_union') return issue.message.replace(/^Invalid discriminator value. E/, 'e')
  return issue.message.replace(/^(Invalid (input|option)|Too (big|small)): /, '')
}

function findHint(issue: Issue, written: unknown): string | undefined {
  if (issue.code === 'unrecognized_keys') return suggestField(written, issue.path)
  return describeField(written, issue.path)
}

/** Of the key or the value there, or of the closest thing around it that is written. */
function findOffset(document: Document, path: Path, key: boolean): number {
  for (let length = path.length; length > 0; length -= 1) {
    const node = document.getIn(path.slice(0, length), true)
    if (!isNode(node) || !node.range) continue
    if ((key || length < path.length) && typeof path[length - 1] === 'string')
      return findKey(document, node) ?? node.range[0]
    return node.range[0]
  }
  return document.contents?.range?.[0] ?? 0
}

function findKey(document: Document, value: unknown): number | undefined {
  let offset: number | undefined
  visit(document, {
    Pair(_, pair) {
      if (pair.value !== value || !isPair(pair) || !isScalar(pair.key)) return undefined
      offset = pair.key.range?.[0]
      return visit.BREAK
    },
  })
  return offset
}
