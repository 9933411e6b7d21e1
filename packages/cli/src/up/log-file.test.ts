import { mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { openLogFile } from './log-file.ts'

let directory: string
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'muster-log-'))
})
afterEach(() => rmSync(directory, { recursive: true }))

test('lines are appended, over several runs, for us alone', () => {
  for (const line of ['one', 'two']) {
    using log = openLogFile(join(directory, 'logs'), 'broker')
    log.write(line)
  }
  const path = join(directory, 'logs/broker.log')
  expect(readFileSync(path, 'utf8')).toBe('one\ntwo\n')
  expect(statSync(path).mode & 0o777).toBe(0o600)
})

test('at the limit the file is set aside, once', () => {
  using log = openLogFile(directory, 'broker', 10)
  for (const line of ['first', 'second', 'third']) log.write(line)
  expect(readFileSync(join(directory, 'broker.log'), 'utf8')).toBe('third\n')
  expect(readFileSync(join(directory, 'broker.log.1'), 'utf8')).toBe('second\n')
})
