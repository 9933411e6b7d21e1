import { MusterError } from '@muster/contracts'
import type { Contact } from '../contact/contact.ts'
import type { LookupRow, Registry } from './registry.ts'
import type { Snapshot } from './snapshot.ts'

export interface VouchingRegistry extends Registry {
  /** Its holder is admitted: this node can vouch for it later. */
  admitted(row: LookupRow): void
}

/** The registry; and while it cannot be asked, what this node knows from before. */
export function vouchFor(options: {
  registry: Registry
  snapshot: Snapshot
  contact: Pick<Contact, 'isHere'>
  onVouched(): void
}): VouchingRegistry {
  const { registry, snapshot, contact, onVouched } = options

  async function find(serial: string): Promise<LookupRow | undefined> {
    try {
      // Known to be away, it is not waited for.
      if (contact.isHere()) return await registry.find(serial)
    } catch (error) {
      if (!(error instanceof MusterError && error.code === 'unavailable')) throw error
    }
    const known = snapshot.find(serial)
    if (!known) throw new MusterError('unavailable', 'the registry is away, and this node cannot vouch for the device')
    onVouched()
    return known
  }

  return {
    find,
    findAll: registry.findAll,
    async promote(serial, key) {
      if (!contact.isHere()) throw new MusterError('unavailable', 'the registry is away: use the old certificate')
      const done = await registry.promote(serial, key)
      if (done) snapshot.superseded(key)
      return done
    },
    admitted(row) {
      if (!row.isVouchedFor) snapshot.keep({ ...row, certificateState: 'active' })
    },
  }
}
