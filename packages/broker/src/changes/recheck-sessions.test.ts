import { PassThrough } from 'node:stream'
import { Policy } from '@muster/contracts'
import { expect, test } from 'vitest'
import { judge } from '../admission/judge.ts'
import type { Peer } from '../admission/peer.ts'
import type { LookupRow, Registry } from '../admission/registry.ts'
import { Session } from '../sessions/session.ts'
import { createSessions } from '../sessions/sessions.ts'
import { applyPolicies } from './apply-policies.ts'
import { recheckSessions } from './recheck-sessions.ts'

const now = () => new Date('2027-01-15T12:00:00Z')
const peer: Peer = {
  identity: { fleet: 'f', group: 'g', device: 'd', profile: 'device' },
  ...{ serial: '0a', fingerprint: 'fa', issuer: 'CN=i' },
  ...{ notBefore: new Date('2027-01-01T00:00:00Z'), notAfter: new Date('2027-02-01T00:00:00Z') },
}

/** What the registry says while this version of the policy is in force. */
const rowOf = (version: number, state: Partial<LookupRow> = {}): LookupRow => ({
  ...{ serial: '0a', fingerprint: 'fa', fleet: 'f', device: 'd', group: 'g', profile: 'device', document: null },
  ...{ certificateState: 'active', deviceState: 'active', issuerState: 'active', onClone: 'keep-newest' },
  ...{ deviceStateAt: null, revokedAt: null, revocationReason: null, lateRenewalDays: 0 },
  ...{ devicePolicy: 'p', claimPolicy: null, groupPolicy: null, fleetPolicy: null, policyVersion: version },
  document: Policy.parse({ name: 'p', allow: [{ subscribe: [`v${version}/#`] }] }),
  ...{ changePending: false, readAt: 0, ...state },
})

/** Has read this row, and answers when the gate opens. */
function openGated(row: LookupRow) {
  const [asked, gate] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()]
  const registry: Pick<Registry, 'findAll'> = {
    async findAll(serials) {
      asked.resolve()
      await gate.promise
      return new Map(serials.map((serial) => [serial, row]))
    },
  }
  return { registry: registry as Registry, asked: asked.promise, open: gate.resolve }
}

function openNode() {
  const sessions = createSessions({ purge: async () => {}, dropWill: async () => {} })
  const session = new Session(peer, new PassThrough(), '192.0.2.1')
  session.policy = judge(peer, rowOf(1), now()).policy
  session.isAdmitted = true
  sessions.arrive(session)
  const removed: string[] = []
  const recheck = (row: LookupRow) => {
    const gated = openGated(row)
    const onRemoved = (_: string, { code }: { code: string }) => removed.push(code)
    return { ...gated, done: recheckSessions({ registry: gated.registry, sessions, now, onRemoved, onUnlisted() {} }) }
  }
  const change = async (row: LookupRow) => {
    const { registry, open } = openGated(row)
    open()
    const policy = { fleet: 'f', device: null, group: null, policy: 'p' }
    return applyPolicies({ registry, sessions, now }, policy)
  }
  return { session, removed, recheck, change }
}

test('puts the policy in force that the registry has', async () => {
  const { session, recheck, removed } = openNode()
  const { open, done } = recheck(rowOf(2))
  open()
  await done
  expect(session.policy.source.version).toBe(2)
  expect(removed).toEqual([])
})

test('a policy that was put in force meanwhile is not replaced by what was read before', async () => {
  const { session, recheck, change } = openNode()
  const { asked, open, done } = recheck(rowOf(1))
  await asked
  expect(await change(rowOf(2))).toMatchObject({ sessionsChanged: 1 })
  open()
  await done
  expect(session.policy.source.version).toBe(2)
  expect(session.policy.subscribe).toContain('v2/#')
})

test('who may not stay goes, whatever policy was put in force meanwhile', async () => {
  const { session, removed, recheck, change } = openNode()
  const { asked, open, done } = recheck(rowOf(1, { deviceState: 'suspended' }))
  await asked
  await change(rowOf(2))
  open()
  await done
  expect(removed).toEqual(['device-suspended'])
  expect(session.socket.destroyed).toBe(true)
})
