import { connected, device, end, happy, judge, start, stored, topic } from './testing.ts'

const [revokes, out] = [[{ do: 'revoke', over: '1s' }], { devices: [{ state: 'revoked' }], revocations: [{}] }]
const gone = [...happy, end('refused', 'device-revoked')]
judge('silent-after-receipt', [
  [
    'taken after the receipt',
    {
      told: gone,
      phases: revokes,
      answers: { ...out, telemetry: [...stored(1, 2), { n: 3, receivedAt: start + 101 }] },
    },
  ],
  [
    'passed on after the receipt',
    { told: gone, phases: revokes, answers: { ...out, heard: [[device, { topic, at: start + 11_000 }]] } },
  ],
  [
    'delivered to it',
    { told: [...gone, { saw: 'heard-revoked', topic, after: 11_000 }], phases: revokes, answers: out },
  ],
  ['admitted', { told: [...gone, connected('s1', { after: 3_000 })], phases: revokes, answers: out }],
  [
    'somebody else was admitted',
    { told: [...gone, connected('s1', { after: 3_000, attacker: true })], phases: revokes, answers: out },
  ],
  [
    'seen while it runs',
    { told: [...gone, connected('s1', { after: 3_000 })], phases: revokes, looks: true, answers: out },
  ],
  ['no receipt', { told: gone, phases: revokes, answers: { ...out, revocations: [{}, { completeAt: undefined }] } }],
  ['silent', { told: gone, phases: revokes, answers: out }, 'holds'],
  [
    'set out before, and was told late',
    { told: [...gone, connected('s1', { after: 9_000, begunAt: start + 50 })], phases: revokes, answers: out },
    'holds',
  ],
  [
    'what the simulator noticed late',
    { told: [...gone, connected('s1', { after: 500 })], phases: revokes, answers: out },
    'holds',
  ],
])
