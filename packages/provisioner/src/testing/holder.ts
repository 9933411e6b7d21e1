import { X509Certificate } from 'node:crypto'
import type { CreateClaimRequest } from '@muster/contracts'
import { certificates, devices } from '@muster/db'
import { asc, eq } from 'drizzle-orm'
import { type PresentedRenewal, renewPresented } from '../renewal/renew-presented.ts'
import { csrOf, peer, type Stage } from './stage.ts'

/** A device with its certificate, as TLS would show it. */
export async function enrolHolder(
  stage: Stage,
  device: string,
  key: number,
  claim: Partial<CreateClaimRequest> = {},
): Promise<X509Certificate> {
  const outcome = await stage.enrol(await stage.claim({ device, ...claim } as never), key)
  if (outcome.result === 'pending') throw new Error('pending')
  return new X509Certificate(outcome.enrolment.certificate)
}

export async function renewHolder(
  stage: Stage,
  certificate: X509Certificate | undefined,
  key: number,
  more: Partial<PresentedRenewal> = {},
) {
  const request: PresentedRenewal = { csr: await csrOf(key), certificate, address: peer, via: 'https', ...more }
  const { enrolment, result } = await renewPresented({ ...stage.deps, actor: 'anonymous' }, request)
  return { result, enrolment, certificate: new X509Certificate(enrolment.certificate) }
}

export const serialOf = ({ serialNumber }: X509Certificate) => serialNumber.toLowerCase()

/** The states of a device's certificates, the oldest first; in alphabetical order where they are equally old. */
export async function statesOf(stage: Stage, device: string): Promise<string[]> {
  const rows = await stage.owner
    .select({ state: certificates.state })
    .from(certificates)
    .where(eq(certificates.device, device))
    .orderBy(asc(certificates.notBefore), asc(certificates.state))
  return rows.map(({ state }) => state)
}

export async function deviceRow(stage: Stage, id: string) {
  const [row] = await stage.owner.select().from(devices).where(eq(devices.id, id))
  if (!row) throw new Error(`no device ${id}`)
  return row
}

/** What a broker would hear. */
export async function listenAs(stage: Stage, channel: string): Promise<{ heard: string[] } & AsyncDisposable> {
  const heard: string[] = []
  const client = await stage.owner.$client.connect()
  client.on('notification', ({ payload }) => heard.push(payload ?? ''))
  await client.query(`listen ${channel}`)
  return { heard, [Symbol.asyncDispose]: async () => client.release(true) }
}
