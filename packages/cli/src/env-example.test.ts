import { readFile } from 'node:fs/promises'
import { BrokerEnvironment, brokerSecrets } from '@muster/broker'
import { listVariables } from '@muster/contracts/config'
import { provisionerSecrets, provisionerVariables } from '@muster/provisioner'
import { expect, test } from 'vitest'
import { cliSecrets, cliVariables } from './config.ts'

const infra = (file: string) => readFile(new URL(`../../../infra/${file}`, import.meta.url), 'utf8')
const names = (text: string, pattern: RegExp) => new Set([...text.matchAll(pattern)].map(([, name = '']) => name))

test('.env.example lists the variables of every process and of compose.yaml, no more and no less', async () => {
  const listed = names(await infra('.env.example'), /^([A-Z0-9_]+)=/gm)
  const wanted = new Set([
    ...listVariables(provisionerVariables, provisionerSecrets),
    ...listVariables(BrokerEnvironment, brokerSecrets),
    ...listVariables(cliVariables, cliSecrets),
    ...names(await infra('compose.yaml'), /\$\{([A-Z0-9_]+)/g),
  ])
  expect([...listed].sort()).toEqual([...wanted].sort())
})

test('compose.yaml gives the processes variables that they read', async () => {
  const given = names(await infra('compose.yaml'), /^ +(MUSTER_[A-Z0-9_]+):/gm)
  const read = names(await infra('.env.example'), /^(MUSTER_[A-Z0-9_]+)=/gm)
  expect([...given].filter((name) => !read.has(name))).toEqual([])
})
