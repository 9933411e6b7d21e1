import { MusterError } from '@muster/contracts'
import type { Db } from '@muster/db'

/** The one thing that a broker may do to a device's state, where its fleet wants it so. @throws MusterError `unavailable` */
export function createSuspendCloned({ db, node, now }: { db: Db; node: string; now(): Date }) {
  const text = 'select suspend_cloned($1, $2, $3, $4) as done'
  return async (serial: string, why: string): Promise<boolean> => {
    try {
      const values = [serial, now(), node, why]
      const { rows } = await db.$client.query<{ done: boolean }>({ name: 'suspend-cloned', text, values })
      return rows[0]?.done === true
    } catch (cause) {
      throw new MusterError('unavailable', 'the device cannot be suspended now', { cause })
    }
  }
}
