import type { InvariantName } from '@muster/device-sim'
import type { Breakage } from './breakage.ts'

/** A fault of one process, and the one invariant that it violates. */
export interface PlatformFault {
  invariant: InvariantName | undefined
  what: string
  role: 'provisioner' | 'broker'
  breakages: Breakage[]
}

const broker = (path: string, find: string, replace: string): Breakage => ({
  file: `packages/broker/src/${path}`,
  ...{ find, replace },
})
const provisioner = (path: string, find: string, replace: string): Breakage => ({
  file: `packages/provisioner/src/${path}`,
  ...{ find, replace },
})

export const platformFaults: PlatformFault[] = [
  {
    invariant: 'no-bricked-device',
    what: 'a claim is refused the second time, by the same key, too',
    role: 'provisioner',
    breakages: [provisioner('enrolment/look-up.ts', 'binding: bindings[0]', 'binding: undefined')],
  },
  {
    invariant: 'one-certificate',
    what: 'the same claim and key get another certificate',
    role: 'provisioner',
    breakages: [
      provisioner(
        'enrolment/enrol.ts',
        '? await findCertificates(tx, device) : []',
        '? (await supersedeCertificates(tx, { fleet: device.fleet, device: device.id }), []) : []',
      ),
    ],
  },
  {
    invariant: 'one-certificate',
    what: 'the first use of a renewed certificate does not end the one before',
    role: 'broker',
    breakages: [
      broker('admission/registry.ts', 'select promote_certificate($1, now(), $2) as done', 'select $1 <> $2 as done'),
    ],
  },
  {
    invariant: 'stored-once',
    what: 'some messages are acknowledged and not stored',
    role: 'broker',
    breakages: [
      broker(
        'telemetry/ingest.ts',
        'const stored = writer.add(',
        'const stored = receivedAt % 3 === 0 ? Promise.resolve() : writer.add(',
      ),
    ],
  },
  {
    invariant: 'stored-once',
    what: 'each message is stored twice',
    role: 'broker',
    breakages: [broker('telemetry/insert-telemetry.ts', 'from unnest(', 'from generate_series(1, 2), unnest(')],
  },
  {
    invariant: 'silent-after-receipt',
    what: 'the receipt is written, and the connection stays',
    role: 'broker',
    breakages: [
      broker(
        'changes/act-on-changes.ts',
        "return sessions.remove(keyOf(change), { reason: 'device-revoked', purge: true })",
        'return { connectionsClosed: 1, sessionPurged: true }',
      ),
    ],
  },
  {
    invariant: 'silent-after-receipt',
    what: 'whoever was revoked may come back',
    role: 'broker',
    breakages: [
      broker(
        'admission/judge.ts',
        "if (row.deviceState !== 'active')",
        "if (!['active', 'revoked'].includes(row.deviceState))",
      ),
      broker('admission/judge.ts', "if (row.certificateState === 'revoked')", 'if (false)'),
    ],
  },
  {
    invariant: 'topics-within-policy',
    what: 'every publication is allowed',
    role: 'broker',
    breakages: [broker('mqtt/inbound/inbound.ts', 'if (refused !== undefined)\n', 'if (false)\n')],
  },
  {
    invariant: 'topics-within-policy',
    what: 'every subscription is granted',
    role: 'broker',
    breakages: [
      broker('mqtt/hooks.ts', 'const refused = grantFilter(session, subscription.topic)', 'const refused = undefined'),
    ],
  },
  {
    invariant: 'refusals-explained',
    what: 'denied publications are not put on record',
    role: 'broker',
    breakages: [
      broker('refusal-log.ts', '      add(key, { fleet,', "      if (code !== 'publish-denied') add(key, { fleet,"),
    ],
  },
  {
    invariant: 'nothing-left-behind',
    what: 'it is never noticed that a device has gone',
    role: 'broker',
    breakages: [
      broker('presence.ts', 'sightings.set(session.key, { session, online: false,', 'void ({ session, online: false,'),
    ],
  },
]
