import { mkdtempSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { z } from 'zod'
import { ConfigError, Host, listVariables, Port, readConfig } from './config.ts'

const schema = z.object({
  API_PORT: Port.default(8443),
  PUBLIC_HOST: Host.default('localhost'),
  PASSPHRASE: z.string().min(8).optional(),
  DATABASE_URL: z.string(),
})
const secrets = ['PASSPHRASE', 'DATABASE_URL'] as const

function problemsOf(env: Record<string, string>): readonly string[] {
  try {
    readConfig(schema, env, secrets)
  } catch (error) {
    if (error instanceof ConfigError) return error.problems
    throw error
  }
  return []
}

test('defaults, values and files', () => {
  const file = join(mkdtempSync(join(tmpdir(), 'muster-config-')), 'passphrase')
  writeFileSync(file, 'correct horse\n')
  const config = readConfig(
    schema,
    { API_PORT: '0', PASSPHRASE_FILE: file, DATABASE_URL: 'x', PUBLIC_HOST: '' },
    secrets,
  )
  expect(config).toEqual({ API_PORT: 0, PUBLIC_HOST: 'localhost', PASSPHRASE: 'correct horse', DATABASE_URL: 'x' })
})

test('all problems are told at once, and no value is', () => {
  const env = { API_PORT: '70000', PUBLIC_HOST: 'not a host', PASSPHRASE: 'secret' }
  const problems = problemsOf(env)
  expect(problems.map((problem) => problem.split(':')[0])).toEqual([
    'API_PORT',
    'PUBLIC_HOST',
    'PASSPHRASE',
    'DATABASE_URL',
  ])
  for (const value of Object.values(env)) expect(problems.join()).not.toContain(value)
})

test.each([
  [{ PASSPHRASE: 'long enough', PASSPHRASE_FILE: '/dev/null' }, 'PASSPHRASE: give it'],
  [{ PASSPHRASE_FILE: '/nowhere' }, 'PASSPHRASE_FILE: the file cannot be read'],
  [{ PASSPHRASE_FILE: '/dev/null' }, 'PASSPHRASE_FILE: the file is empty'],
  [{ DATABASE_URL_FILE: '/nowhere' }, 'DATABASE_URL_FILE: the file cannot be read'],
])('%j', (env, problem) => {
  const problems = problemsOf({ ...('DATABASE_URL_FILE' in env ? {} : { DATABASE_URL: 'x' }), ...env })
  expect(problems).toHaveLength(1)
  expect(problems[0]).toContain(problem)
})

test('only secrets may come from files', () => {
  expect(listVariables(schema, secrets)).toEqual([
    'API_PORT',
    'PUBLIC_HOST',
    'PASSPHRASE',
    'PASSPHRASE_FILE',
    'DATABASE_URL',
    'DATABASE_URL_FILE',
  ])
})
