import { certificate, connected, end, happy, judge, refused } from './testing.ts'

const mismatch = refused('enrol', 'claim-key-mismatch')
const onRecord = { refusals: [{ code: 'claim-key-mismatch' }] }
judge('no-bricked-device', [
  ['cannot get to work', { told: [...happy, end('stuck')] }],
  ['refused for good', { told: [...happy, end('refused', 'certificate-unknown')] }],
  [
    'refused after a power cut',
    { told: [...happy, { saw: 'fault', fault: 'cut-power' }, end('refused', 'claim-key-mismatch')] },
  ],
  [
    'refused after a lost answer',
    { told: [...happy, { saw: 'fault', fault: 'lose-answer' }, end('refused', 'claim-exhausted')] },
  ],
  ['never connected', { told: happy.filter(({ saw }) => saw !== 'connected').concat(end('working')) }],
  [
    'connected, but by somebody else',
    { told: [certificate('s1'), connected('s1', { attacker: true }), ...happy.slice(2), end('working')] },
  ],
  ['has never said how it ended', { told: happy }],
  [
    'has lost its keys',
    {
      told: [...happy, { saw: 'fault', fault: 'lose-keys' }, mismatch, end('refused', 'claim-key-mismatch')],
      answers: onRecord,
    },
    'holds',
  ],
  [
    'was in a box for too long',
    { told: [...happy, { saw: 'fault', fault: 'shelf' }, end('refused', 'claim-expired')] },
    'holds',
  ],
  [
    'was revoked',
    { told: [...happy, end('refused', 'device-revoked')], answers: { devices: [{ state: 'revoked' }] } },
    'holds',
  ],
  [
    'the other board was first',
    {
      told: [...happy, { saw: 'fault', fault: 'boot-twice' }, mismatch, end('refused', 'claim-key-mismatch')],
      answers: onRecord,
    },
    'holds',
  ],
  [
    'two boards, and refused for another reason',
    {
      told: [...happy, { saw: 'fault', fault: 'boot-twice' }, mismatch, end('refused', 'certificate-unknown')],
      answers: onRecord,
    },
  ],
  [
    'everything was in memory',
    {
      told: [...happy, { saw: 'fault', fault: 'cut-power' }, end('refused', 'device-taken')],
      thing: { store: 'memory' },
    },
    'holds',
  ],
  ['is off', { told: [certificate('s1'), ...happy.slice(2), end('off')] }, 'holds'],
])
