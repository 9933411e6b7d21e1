import { setTimeout as sleep } from 'node:timers/promises'
import { Issuer } from '@muster/contracts'
import type { OperatorApi } from './operator-api.ts'
import { patiently } from './patiently.ts'

const pollMs = 250

/** Makes a new issuing CA, waits until every broker trusts it, and activates it: certificates of the one before are to be renewed within so long. */
export async function rotateIssuer(
  operator: OperatorApi,
  name: string,
  withinMs: number,
  signal: AbortSignal,
): Promise<void> {
  await patiently(signal, () => operator.post('/v1/issuers', { name, kind: 'issuing' }, Issuer))
  for (;;) {
    const issuers = await patiently(signal, () => operator.list('/v1/issuers', Issuer))
    if (issuers.find((issuer) => issuer.name === name)?.missing.length === 0) break
    await sleep(pollMs, undefined, { signal })
  }
  const body = { renewWithin: Math.max(1, Math.ceil(withinMs / 1_000)) }
  await patiently(signal, () => operator.post(`/v1/issuers/${name}/activate`, body, Issuer))
}
