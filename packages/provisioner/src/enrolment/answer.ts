import type { X509Certificate } from 'node:crypto'
import { compilePolicy, type Enrolment, type Policy } from '@muster/contracts'
import { encodePem } from '@muster/pki'
import type { CertificateRow } from '../certificates/issue.ts'
import type { Deps } from '../context.ts'
import type { DeviceRow } from '../devices/present.ts'
import { chooseWindow, type PulledWindow } from '../renewal/window.ts'

export async function presentEnrolment(
  { issuers, settings, now }: Pick<Deps, 'issuers' | 'settings' | 'now'>,
  device: DeviceRow,
  policy: Policy,
  certificate: CertificateRow,
  pulled: readonly PulledWindow[] = [],
): Promise<Enrolment> {
  const { fleet, group, id, profile } = device
  const { serial, notAfter } = certificate
  const granted = compilePolicy(policy, { fleet, group, device: id, profile, serial })
  return {
    device: { id, group, fleet },
    certificate: encodePem('CERTIFICATE', certificate.der),
    chain: toPem(await issuers.chainOf(certificate.issuer)),
    ...(issuers.rolled && { roots: toPem(issuers.roots) }),
    notAfter: notAfter.toISOString(),
    renewAfter: chooseWindow(certificate, pulled).start.toISOString(),
    mqtt: {
      url: `mqtts://${urlHost(settings.publicHost)}:${settings.mqttPort}`,
      clientId: id,
      publish: [...granted.publish],
      subscribe: [...granted.subscribe],
    },
    serverTime: now().toISOString(),
  }
}

const toPem = (certificates: readonly X509Certificate[]) =>
  certificates.map(({ raw }) => encodePem('CERTIFICATE', raw)).join('')

const urlHost = (host: string) => (host.includes(':') ? `[${host}]` : host)
