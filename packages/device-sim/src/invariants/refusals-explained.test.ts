import { judge, refused, working } from './testing.ts'

judge('refusals-explained', [
  ['not on record', { told: [...working, refused('connect', 'device-revoked')] }],
  ['not on record, seen while it runs', { told: [...working, refused('connect', 'device-revoked')], looks: true }],
  [
    'another reason',
    {
      told: [...working, refused('connect', 'device-revoked')],
      answers: { refusals: [{ code: 'certificate-unknown' }] },
    },
  ],
  [
    'of another device',
    {
      told: [...working, refused('connect', 'device-revoked')],
      answers: { refusals: [{ device: 'sim-a-thing-00002', code: 'device-revoked' }] },
    },
  ],
  [
    'fewer than it saw',
    {
      told: [...working, refused('publish', '0x87'), refused('publish', '0x87')],
      answers: { refusals: [{ code: 'publish-denied' }] },
    },
  ],
  [
    'without a word on what to do',
    {
      told: [...working, refused('connect', 'device-revoked')],
      answers: { refusals: [{ code: 'device-revoked', advice: '' }] },
    },
  ],
  [
    'a number that stands for something else',
    { told: [...working, refused('connect', '0x87')], answers: { refusals: [{ code: 'publish-denied' }] } },
  ],
  [
    'on record',
    { told: [...working, refused('connect', 'device-revoked')], answers: { refusals: [{ code: 'device-revoked' }] } },
    'holds',
  ],
  [
    'only a number',
    { told: [...working, refused('connect', '0x87')], answers: { refusals: [{ code: 'device-suspended' }] } },
    'holds',
  ],
  [
    'merged with others',
    {
      told: [...working, refused('connect', 'certificate-untrusted')],
      answers: { refusals: [{ device: '', code: 'certificate-untrusted', count: 7 }] },
    },
    'holds',
  ],
  [
    'later, not no',
    {
      told: [...working, refused('enrol', 'rate-limited'), refused('connect', '0x88'), refused('enrol', 'ECONNRESET')],
    },
    'holds',
  ],
])
