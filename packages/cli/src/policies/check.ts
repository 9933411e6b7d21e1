import { Check } from '@muster/contracts'
import { CliError, exitCodes } from '../exit.ts'
import { printFields } from '../io.ts'
import { type Cli, findFleet, type GlobalOptions, openOperatorApi } from '../settings.ts'

export interface CheckOptions extends GlobalOptions {
  device: string
  publish?: string
  subscribe?: string
  qos?: number
  retain?: boolean
  bytes?: number
}

/** @throws CliError where it is denied, so that scripts can tell */
export async function checkPolicy(cli: Cli, options: CheckOptions): Promise<void> {
  const { device, publish: topic, subscribe, qos, retain, bytes } = options
  if ((topic === undefined) === (subscribe === undefined))
    throw new CliError('give --publish <topic> or --subscribe <filter>', { exitCode: exitCodes.usage })
  const asked = topic === undefined ? { subscribe } : { publish: { topic, qos, retain, bytes } }
  using api = await openOperatorApi(cli, options)
  const check = await api.post('/v1/policies/check', { device, ...asked }, Check, { fleet: findFleet(cli, options) })
  const { name, version, attachedTo } = check.policy
  printFields(cli.io, options, check, {
    answer: check.allowed ? 'allowed' : 'denied',
    why: check.why,
    policy: `${name}${version === null ? '' : ` v${version}`}, from ${attachedTo}`,
    rule: check.text === null ? '' : `${check.rule} ${JSON.stringify(check.text)}`,
    group: check.group,
  })
  if (!check.allowed) throw new CliError(`denied: ${check.why}`)
}
