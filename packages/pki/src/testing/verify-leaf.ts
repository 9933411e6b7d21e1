import { createPublicKey, type X509Certificate } from 'node:crypto'
import { expect } from 'vitest'
import type { Ca } from '../ca/open.ts'
import { issueCertificate } from '../issue.ts'
import type { Issuer } from '../issuer.ts'
import { poolKey } from '../testing.ts'
import { openOpensslRoom } from './openssl.ts'

async function issueLeaf(issuer: Issuer, now: Date): Promise<string> {
  const { pem } = await issueCertificate(issuer, {
    identity: { fleet: 'north', group: 'pumps', device: 'pump-7', profile: 'device' },
    spki: createPublicKey(await poolKey()).export({ type: 'spki', format: 'der' }),
    trustDomain: 'muster.local',
    notBefore: now,
    notAfter: new Date(now.getTime() + 86_400_000),
  })
  return pem
}

/** What openssl says of a leaf to somebody who trusts `anchor` and was sent `sent`. */
export async function verifyLeaf(
  issuer: Issuer,
  anchor: X509Certificate,
  sent: readonly X509Certificate[],
  now: Date,
): Promise<string> {
  await using room = await openOpensslRoom()
  await room.write('leaf.pem', await issueLeaf(issuer, now))
  await room.write('anchor.pem', anchor.toString())
  await room.write('sent.pem', sent.join(''))
  const time = ['-attime', String(now.getTime() / 1000 + 60)]
  const args = ['-x509_strict', '-check_ss_sig', ...time, '-CAfile', 'anchor.pem', '-untrusted', 'sent.pem', 'leaf.pem']
  return await room.openssl('verify', ...args)
}

/** openssl takes a new leaf of the CA for good. */
export async function requireWorking({ root, issuer }: Ca, now: Date): Promise<void> {
  expect(await verifyLeaf(issuer, root, issuer.chain, now)).toBe('leaf.pem: OK\n')
}
