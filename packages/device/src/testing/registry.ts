import { X509Certificate } from 'node:crypto'
import type { Enrolment, ErrorCode } from '@muster/contracts'

type State = 'active' | 'pending' | 'superseded' | 'revoked'

/** Which certificates are good for what, as the provisioner and the brokers of a test have it. */
export interface TestRegistry {
  /** State by serial number. */
  states: Map<string, State>
  /** Whose certificate it is, after its use: a pending one becomes the active one. Answers the reason for a refusal otherwise. */
  use(serial: string): { device: string } | { code: ErrorCode }
  add(enrolment: Enrolment, keyFingerprint: string, state: State): void
  /** The pending certificate of a device for this key, which is the answer that was lost. */
  findPending(device: string, keyFingerprint: string): Enrolment | undefined
}

interface Row {
  enrolment: Enrolment
  keyFingerprint: string
}

export function createTestRegistry(): TestRegistry {
  const states = new Map<string, State>()
  const rows = new Map<string, Row>()
  const serialsOf = (device: string, state: State) =>
    [...rows].filter(([serial, row]) => row.enrolment.device.id === device && states.get(serial) === state)
  return {
    states,
    use(serial) {
      const row = rows.get(serial)
      const state = states.get(serial)
      if (!row) return { code: 'certificate-unknown' }
      const device = row.enrolment.device.id
      if (state === 'superseded' || state === 'revoked') return { code: `certificate-${state}` }
      if (state === 'pending') {
        for (const [old] of serialsOf(device, 'active')) states.set(old, 'superseded')
        states.set(serial, 'active')
      }
      return { device }
    },
    add(enrolment, keyFingerprint, state) {
      if (state === 'pending')
        for (const [old] of serialsOf(enrolment.device.id, 'pending')) states.set(old, 'superseded')
      const serial = serialOf(enrolment)
      rows.set(serial, { enrolment, keyFingerprint })
      states.set(serial, state)
    },
    findPending: (device, keyFingerprint) =>
      serialsOf(device, 'pending').find(([, row]) => row.keyFingerprint === keyFingerprint)?.[1].enrolment,
  }
}

export function serialOf({ certificate }: Pick<Enrolment, 'certificate'>): string {
  return new X509Certificate(certificate).serialNumber.toLowerCase()
}
