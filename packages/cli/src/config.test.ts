import { ConfigError } from '@muster/contracts/config'
import { expect, test } from 'vitest'
import { loadConfig } from './config.ts'

test('nothing set is one machine with the default ports', () => {
  const config = loadConfig({})
  expect(config).toMatchObject({ apiUrl: 'https://localhost:8443', fleet: 'default', broker: 'broker-1' })
  expect(config.data).toMatch(/\/\.muster$/)
})

test('the API address follows its port', () => {
  expect(loadConfig({ MUSTER_API_PORT: '9000' }).apiUrl).toBe('https://localhost:9000')
  expect(loadConfig({ MUSTER_API_PORT: '9000', MUSTER_API_URL: 'https://a.example' }).apiUrl).toBe('https://a.example')
})

test('all problems are told at once, and no value', () => {
  const problems = () =>
    loadConfig({ MUSTER_API_PORT: '0', MUSTER_FLEET: 'A B', MUSTER_DATABASE_URL: 'mysql://s3cret' })
  expect(problems).toThrow(ConfigError)
  expect(problems).toThrow(/MUSTER_API_PORT[\s\S]*|MUSTER_FLEET|MUSTER_DATABASE_URL/)
  expect(problems).not.toThrow(/s3cret/)
})
