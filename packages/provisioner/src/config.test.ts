import { ConfigError } from '@muster/contracts/config'
import { expect, test } from 'vitest'
import { loadConfig } from './config.ts'

const url = 'postgresql://muster@localhost/muster'

test('the defaults are those of the documentation', () => {
  const config = loadConfig({ MUSTER_DATABASE_URL: url })
  expect(config).toMatchObject({
    host: '127.0.0.1',
    apiPort: 8443,
    pkiPort: 8080,
    metricsPort: 9400,
    mqttPort: 8883,
    publicHost: 'localhost',
    trustDomain: 'muster.local',
    validityMs: 90 * 86_400_000,
    node: 'provisioner-1',
    logLevel: 'info',
  })
  expect(Object.isFrozen(config)).toBe(true)
})

test('every problem is told', () => {
  const env = {
    MUSTER_CERTIFICATE_VALIDITY: '398d',
    MUSTER_API_PORT: 'x',
    MUSTER_NODE: 'Not A Name',
    MUSTER_DATABASE_URL: 'mysql://x',
    MUSTER_CA_PASSPHRASE: 'short',
    MUSTER_TRUST_DOMAIN: 'UPPER',
    MUSTER_LOG_LEVEL: 'loud',
    MUSTER_PUBLIC_HOST: 'a b',
  }
  let problems: readonly string[] = []
  try {
    loadConfig(env)
  } catch (error) {
    if (error instanceof ConfigError) problems = error.problems
  }
  expect(problems.map((problem) => problem.split(':')[0]).sort()).toEqual(Object.keys(env).sort())
})

test('a token is asked for only where the keys are in one', () => {
  const problemsOf = (env: Record<string, string>) => {
    try {
      loadConfig(env)
      return []
    } catch (error) {
      return error instanceof ConfigError ? [...error.problems].sort() : [error]
    }
  }
  expect(loadConfig({ MUSTER_DATABASE_URL: url, MUSTER_PKCS11_MODULE: '/lib/hsm.so' }).pkcs11).toBeUndefined()
  const needed = ['MUSTER_PKCS11_MODULE', 'MUSTER_PKCS11_PIN', 'MUSTER_PKCS11_TOKEN'].map(
    (name) => `${name}: is needed`,
  )
  expect(problemsOf({ MUSTER_DATABASE_URL: url, MUSTER_CA_KEYS: 'pkcs11' })).toEqual(needed)
  const token = { MUSTER_PKCS11_MODULE: '/lib/hsm.so', MUSTER_PKCS11_TOKEN: 'muster', MUSTER_PKCS11_PIN: '1234' }
  const { MUSTER_PKCS11_TOKEN: _, ...partly } = token
  expect(problemsOf({ ...partly, MUSTER_CA_KEYS: 'pkcs11' })).toEqual(
    ['MUSTER_DATABASE_URL', 'MUSTER_PKCS11_TOKEN'].map((name) => `${name}: is needed`),
  )
  expect(loadConfig({ MUSTER_DATABASE_URL: url, MUSTER_CA_KEYS: 'pkcs11', ...token }).pkcs11).toEqual({
    module: '/lib/hsm.so',
    token: 'muster',
    pin: '1234',
  })
})

test.each([
  ['60s', 60_000],
  ['30s', 30_000],
  ['397d', 397 * 86_400_000],
])('certificates that live %s', (text, validityMs) => {
  expect(loadConfig({ MUSTER_DATABASE_URL: url, MUSTER_CERTIFICATE_VALIDITY: text })).toMatchObject({ validityMs })
})

test.each(['29s', '0s', '90', '9529h'])('not %s', (text) => {
  expect(() => loadConfig({ MUSTER_DATABASE_URL: url, MUSTER_CERTIFICATE_VALIDITY: text })).toThrow(ConfigError)
})

test('where the world finds CRLs and OCSP', () => {
  const pkiUrl = (env: Record<string, string>) => loadConfig({ MUSTER_DATABASE_URL: url, ...env }).pkiUrl
  expect(pkiUrl({})).toBe('http://localhost:8080')
  expect(pkiUrl({ MUSTER_PUBLIC_HOST: '2001:db8::1', MUSTER_PKI_PORT: '80' })).toBe('http://[2001:db8::1]:80')
  expect(pkiUrl({ MUSTER_PKI_URL: 'http://pki.example/muster' })).toBe('http://pki.example/muster')
  expect(pkiUrl({ MUSTER_PKI_PORT: '0' })).toBeUndefined()
})

test.each([
  { MUSTER_PKI_URL: 'https://pki.example' },
  { MUSTER_PKI_URL: 'http://pki.example/' },
  { MUSTER_PKI_URL: 'http://a b' },
  { MUSTER_CRL_PERIOD: '24h' },
  { MUSTER_CRL_LIFETIME: '1h' },
  { MUSTER_CRL_SHARD_ABOVE: '0' },
])('%j is refused', (env) => {
  expect(() => loadConfig({ MUSTER_DATABASE_URL: url, ...env })).toThrow(ConfigError)
})
