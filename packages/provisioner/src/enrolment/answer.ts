import { compilePolicy, type Enrolment, type Policy } from '@muster/contracts'
import { encodePem } from '@muster/pki'
import type { CertificateRow } from '../certificates/issue.ts'
import type { Deps } from '../context.ts'
import type { DeviceRow } from '../devices/present.ts'

const renewAfterShare = 2 / 3

export function presentEnrolment(
  { issuer, settings, now }: Pick<Deps, 'issuer' | 'settings' | 'now'>,
  device: DeviceRow,
  policy: Policy,
  certificate: CertificateRow,
): Enrolment {
  const { fleet, group, id, profile } = device
  const { serial, notBefore, notAfter } = certificate
  const granted = compilePolicy(policy, { fleet, group, device: id, profile, serial })
  const lifetimeMs = notAfter.getTime() - notBefore.getTime()
  return {
    device: { id, group, fleet },
    certificate: encodePem('CERTIFICATE', certificate.der),
    chain: issuer.chain.map(({ raw }) => encodePem('CERTIFICATE', raw)).join(''),
    notAfter: notAfter.toISOString(),
    renewAfter: new Date(notBefore.getTime() + Math.floor(lifetimeMs * renewAfterShare)).toISOString(),
    mqtt: {
      url: `mqtts://${urlHost(settings.publicHost)}:${settings.mqttPort}`,
      clientId: id,
      publish: [...granted.publish],
      subscribe: [...granted.subscribe],
    },
    serverTime: now().toISOString(),
  }
}

const urlHost = (host: string) => (host.includes(':') ? `[${host}]` : host)
