import { createPublicKey } from 'node:crypto'
import { platformFleet } from '@muster/contracts'
import { devices, recordAudit } from '@muster/db'
import { certificateFingerprint, encodePem, generateKey, keyFingerprint } from '@muster/pki'
import { issueRecorded, supersedeCertificates } from '../certificates/issue.ts'
import type { Context, Deps } from '../context.ts'
import type { TlsMaterial } from '../http/listen.ts'

export interface OwnCertificate {
  material: TlsMaterial
  renewAt: Date
  notAfter: Date
  issuer: string
}

/** This process' own server certificate, recorded like a device's. The key is new each time and stays in memory. */
export async function issueOwnCertificate(deps: Deps, node: string): Promise<OwnCertificate> {
  const key = await generateKey('p256')
  const spki = createPublicKey(key).export({ type: 'spki', format: 'der' })
  const at = deps.now()
  const ctx: Context = { ...deps, actor: node }
  const fleet = platformFleet
  const life = {
    group: 'provisioners',
    policy: 'service',
    profile: 'server' as const,
    state: 'active' as const,
    keyFingerprint: keyFingerprint(spki),
    enrolledAt: at,
    stateAt: at,
    roots: deps.issuers.roots.map(({ raw }) => certificateFingerprint(raw)),
  }
  const certificate = await deps.db.transaction(async (tx) => {
    // A start under a name that was there before takes its row over: the key it was made with is gone with its process.
    await tx
      .insert(devices)
      .values({ fleet, id: node, ...life })
      .onConflictDoUpdate({ target: [devices.fleet, devices.id], set: life })
    const identity = { fleet, group: life.group, device: node, profile: life.profile }
    await supersedeCertificates(tx, identity)
    const issued = await issueRecorded(ctx, tx, { identity, spki })
    const detail = { serial: issued.serial, keyFingerprint: issued.keyFingerprint }
    await recordAudit(tx, { actor: node, action: 'device.enrol', fleet, subject: node, detail, at })
    return issued
  })
  const above = await deps.issuers.chainOf(certificate.issuer)
  const chain = [certificate.der, ...above.map(({ raw }) => raw)]
  const { notAfter, issuer } = certificate
  return {
    material: {
      key: key.export({ type: 'pkcs8', format: 'pem' }).toString(),
      cert: chain.map((der) => encodePem('CERTIFICATE', der)).join(''),
      ca: deps.issuers.roots.map(({ raw }) => encodePem('CERTIFICATE', raw)).join(''),
    },
    renewAt: new Date(at.getTime() + Math.floor(((notAfter.getTime() - at.getTime()) * 2) / 3)),
    notAfter,
    issuer,
  }
}
