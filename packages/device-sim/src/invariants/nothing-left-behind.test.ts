import { end, happy, judge, start, working } from './testing.ts'

const sessionEndsAt = start + 3_600_000
const keeping = { mqtt: { sessionExpiry: '1h' } }
const retired = { devices: [{ state: 'retired' }] }

judge('nothing-left-behind', [
  ['a connection', { told: working, answers: { devices: [{ connected: true }] } }],
  ['a socket in a worker', { told: working, leftovers: ['TLSSocket'] }],
  ['a device that is off', { told: [...happy, end('off')], answers: { devices: [{ connected: true }] } }, 'holds'],
  ['a session that nobody asked for', { told: working, answers: { devices: [{ sessionEndsAt }] } }],
  ['one that was asked for', { told: working, thing: keeping, answers: { devices: [{ sessionEndsAt }] } }, 'holds'],
  ['one that has ended', { told: working, answers: { devices: [{ sessionEndsAt: start }] } }, 'holds'],
  [
    'the session of a revoked device',
    { told: [...happy, end('refused')], thing: keeping, answers: { devices: [{ state: 'revoked', sessionEndsAt }] } },
  ],
  [
    'the session of a retired one',
    { told: working, thing: keeping, cleared: { devices: [{ state: 'retired', sessionEndsAt }] } },
  ],
  ['a claim that can still be used', { told: working, cleared: { ...retired, claims: [{ id: 'c1', left: 2 }] } }],
  ['none that can', { told: working, cleared: { ...retired, claims: [{ id: 'c1', left: 0 }] } }, 'holds'],
])
