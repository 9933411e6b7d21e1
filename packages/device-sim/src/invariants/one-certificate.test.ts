import { certificate, connected, end, happy, judge, type Told, working } from './testing.ts'

const renewed: Told[] = [
  ...happy,
  certificate('s2', 'renew'),
  connected('s2'),
  { ...end('working'), serial: 's2' } as Told,
]
const renews = { phases: [{ do: 'renew', over: '1s' }] }
judge('one-certificate', [
  [
    'the same claim and key got another one',
    { told: [...working, certificate('s2')], answers: { certificates: [{ serial: 's2' }, { state: 'superseded' }] } },
  ],
  [
    'one was issued that the device has never had',
    { told: working, answers: { certificates: [{}, { serial: 's2', state: 'superseded' }] } },
  ],
  ['another key got one', { told: [...working, { ...certificate('s2'), attacker: true } as Told] }],
  ['its own is not on record', { told: working, answers: { certificates: [{ serial: 's9' }] } }],
  ['the platform knows none', { told: working, answers: { certificates: [] } }],
  ['two are active', { told: renewed, ...renews, answers: { certificates: [{}, { serial: 's2' }] } }],
  [
    'the one before stays',
    { told: renewed, ...renews, answers: { certificates: [{}, { serial: 's2', state: 'pending' }] } },
  ],
  [
    'the one before stays, seen while it runs',
    { told: renewed, ...renews, looks: true, answers: { certificates: [{}, { serial: 's2', state: 'pending' }] } },
  ],
  [
    'the one before still opens the door',
    {
      told: [...renewed, connected('s1', { after: 5_000, attacker: true })],
      ...renews,
      answers: { certificates: [{ state: 'superseded' }, { serial: 's2' }] },
    },
  ],
  [
    'renewed',
    { told: renewed, ...renews, answers: { certificates: [{ state: 'superseded' }, { serial: 's2' }] } },
    'holds',
  ],
  [
    'renewed, and not used yet',
    {
      told: [...working, certificate('s2', 'renew')],
      ...renews,
      answers: { certificates: [{}, { serial: 's2', state: 'pending' }] },
    },
    'holds',
  ],
  [
    'renewed, and the power went before it could say so',
    {
      told: [...happy, connected('s2', { after: 5_000 }), { ...end('working'), serial: 's2' } as Told],
      ...renews,
      answers: { certificates: [{ state: 'superseded' }, { serial: 's2' }] },
    },
    'holds',
  ],
  [
    'renewed without a word, and the one before stays',
    {
      told: [...happy, connected('s2', { after: 5_000 }), { ...end('working'), serial: 's2' } as Told],
      ...renews,
      answers: { certificates: [{}, { serial: 's2', state: 'pending' }] },
    },
  ],
  [
    'renewed again, and seen before it could say so',
    {
      told: [...happy, certificate('s2', 'renew'), connected('s2')],
      toldLater: [certificate('s3', 'renew'), connected('s3'), { ...end('working'), serial: 's3' } as Told],
      ...{ ...renews, looks: true },
      answers: { certificates: [{ state: 'superseded' }, { serial: 's2', state: 'superseded' }, { serial: 's3' }] },
    },
    'holds',
  ],
  [
    'another one is good that it has never told of',
    {
      told: renewed,
      ...renews,
      answers: { certificates: [{ state: 'superseded' }, { serial: 's2', state: 'superseded' }, { serial: 's3' }] },
    },
  ],
  ['the same one again', { told: [...working, certificate('s1')] }, 'holds'],
])
