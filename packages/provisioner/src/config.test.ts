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
    node: 'provisioner-1',
    logLevel: 'info',
  })
  expect(Object.isFrozen(config)).toBe(true)
})

test('every problem is told', () => {
  const env = {
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
