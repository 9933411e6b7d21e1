import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { Claim, CreatedClaim, parseClaimToken, platformFleet } from '@muster/contracts'
import type { Api } from '../api/client.ts'
import { replaceSecretFile } from '../secret-file.ts'

const claimFile = (data: string, broker: string) => join(data, `${broker}.claim`)

/** The claim that the broker enrols with, where an earlier start has left one for this root. */
export async function findBrokerClaim(
  data: string,
  broker: string,
  rootFingerprint: string,
): Promise<string | undefined> {
  const file = claimFile(data, broker)
  const token = await readFile(file, 'utf8').catch(() => undefined)
  return token !== undefined && readParts(token)?.rootFingerprint === rootFingerprint ? file : undefined
}

/** Makes the broker's single-use claim, unless the file has one that this registry knows. */
export async function ensureBrokerClaim(api: Api, data: string, broker: string): Promise<string> {
  const file = claimFile(data, broker)
  const id = readParts(await readFile(file, 'utf8').catch(() => ''))?.id
  const known = await api.list('/v1/claims', Claim, { fleet: platformFleet })
  if (known.some((claim) => claim.id === id)) return file
  const request = { fleet: platformFleet, group: 'brokers', profile: 'server', device: broker, label: 'muster up' }
  const { claim } = await api.post('/v1/claims', request, CreatedClaim)
  await replaceSecretFile(file, claim)
  return file
}

function readParts(token: string) {
  try {
    return parseClaimToken(token.trim())
  } catch {
    return undefined
  }
}
