import { createPublicKey, type KeyObject, randomBytes, X509Certificate } from 'node:crypto'
import { formatClaimToken, MusterError, parseClaimToken } from '@muster/contracts'
import { type Credentials, enrol, memoryStore } from '@muster/device'
import { createIssuingCertificate, createRootCertificate, generateKey, issueCertificate, keySigner } from '@muster/pki'
import type { PlannedFault } from '../../plan/device-plan.ts'
import type { Actor, ActorContext } from '../actor.ts'
import { pause } from './pause.ts'
import { openStranger, type StrangerOptions } from './stranger.ts'
import { visit } from './visit.ts'

const stayMs = 5_000
const dayMs = 86_400_000
const patienceMs = 30_000

/** Somebody with a CA of their own: a certificate with the device's name, and a platform that is not the one the claim names. */
export function playForger(fault: Extract<PlannedFault, { do: 'wrong-ca' }>): Actor {
  return async (context) => {
    const { plan, broker, signal, observe } = context
    const credentials = await forge(await context.credentials())
    const who = { broker, seed: fault.seed, credentials, clientId: plan.device, version: plan.class.mqtt.version }
    await distrust(context)
    do {
      observe({ saw: 'fault', fault: 'wrong-ca' })
      const reception = await openStranger({ ...who, signal })
      await visit(context, reception, { certificate: credentials.certificate, stayMs })
    } while (await pause(fault.every, signal))
  }
}

/** The other way round: a board whose claim names another root must not trust this platform. */
async function distrust({ plan, url, claim, note, signal }: ActorContext): Promise<void> {
  const rootFingerprint = randomBytes(32).toString('hex')
  const other = formatClaimToken({ ...parseClaimToken(claim), rootFingerprint })
  const patience = AbortSignal.any([signal, AbortSignal.timeout(patienceMs)])
  const attempt = enrol({ url, claim: other, store: memoryStore(), device: plan.device, signal: patience })
  const code = await attempt.then(
    () => 'trusted',
    (error: unknown) => (error instanceof MusterError ? error.code : 'closed'),
  )
  if (!signal.aborted) note('enrol', code, code === 'certificate-untrusted')
}

async function forge({ certificate, roots, enrolment }: Credentials): Promise<StrangerOptions['credentials']> {
  const now = new Date()
  const trustDomain = /URI:spiffe:\/\/([^/]+)\//.exec(new X509Certificate(certificate).subjectAltName ?? '')?.[1] ?? 'x'
  const [rootSigner, signer] = [keySigner(await generateKey()), keySigner(await generateKey())]
  const root = await createRootCertificate(rootSigner, trustDomain, now)
  const subject = { name: 'issuing-1', spki: signer.spki, trustDomain }
  const issuing = await createIssuingCertificate({ certificate: root, signer: rootSigner }, subject, now)
  const key: KeyObject = await generateKey()
  const { id: device, group, fleet } = enrolment.device
  const { pem } = await issueCertificate(
    { name: subject.name, certificate: issuing, chain: [issuing], root, ...signer },
    {
      identity: { fleet, group, device, profile: 'device' },
      spki: createPublicKey(key).export({ type: 'spki', format: 'der' }),
      trustDomain,
      notBefore: new Date(now.getTime() - 60_000),
      notAfter: new Date(now.getTime() + dayMs),
    },
  )
  return { key, certificate: pem + issuing.toString(), roots }
}
