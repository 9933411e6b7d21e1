import { readFileSync } from 'node:fs'
import { z } from 'zod'
import { Name } from './identity.ts'

/** A TCP port; 0 lets the system choose. */
export const Port = z
  .string()
  .regex(/^\d{1,5}$/, 'must be a port number')
  .transform(Number)
  .pipe(z.int().max(65_535, 'must be a port number'))

export const LogLevel = z.enum(['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'])

/** A DNS name or an address, without a port. */
export const Host = z.union([z.ipv4(), z.ipv6(), z.hostname()], 'must be a host name or an address')

export const NodeName = Name

/** Everything that is wrong with the configuration, one line a problem; never a value, which may be a secret. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError'
  readonly problems: readonly string[]

  constructor(problems: readonly string[]) {
    super(`the configuration cannot be used:\n${problems.map((problem) => `  ${problem}`).join('\n')}`)
    this.problems = problems
  }
}

type Environment = Readonly<Record<string, string | undefined>>

/**
 * Reads the schema's variables from `env`; an empty one counts as absent. A variable named in `secrets` may be given as the
 * path of a file instead, in `<NAME>_FILE`.
 * @throws ConfigError with all problems at once
 */
export function readConfig<Schema extends z.ZodObject>(
  schema: Schema,
  env: Environment,
  secrets: readonly (keyof Schema['shape'] & string)[] = [],
): z.output<Schema> {
  const given: Record<string, string> = {}
  const problems: string[] = []
  for (const name of Object.keys(schema.shape)) {
    const value = env[name] || undefined
    const path = (secrets.includes(name) && env[`${name}_FILE`]) || undefined
    if (value !== undefined && path !== undefined) problems.push(`${name}: give it or ${name}_FILE, not both`)
    else if (value !== undefined) given[name] = value
    else if (path !== undefined) {
      const text = readSecret(path)
      if (text === undefined) problems.push(`${name}_FILE: the file cannot be read`)
      else if (text === '') problems.push(`${name}_FILE: the file is empty`)
      else given[name] = text
    }
  }
  const parsed = schema.safeParse(given)
  const reported = new Set(problems.map((problem) => problem.replace(/(_FILE)?:.*/, '')))
  for (const issue of parsed.error?.issues ?? []) {
    const name = issue.path.join('.')
    if (!reported.has(name)) problems.push(`${name}: ${name in given ? issue.message : 'is needed'}`)
  }
  if (!parsed.success || problems.length > 0) throw new ConfigError(problems)
  return parsed.data
}

/** The variables that `readConfig` would look at, for documentation and its test. */
export function listVariables(schema: z.ZodObject, secrets: readonly string[] = []): string[] {
  return Object.keys(schema.shape).flatMap((name) => (secrets.includes(name) ? [name, `${name}_FILE`] : [name]))
}

function readSecret(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8').trim()
  } catch {
    return undefined
  }
}
