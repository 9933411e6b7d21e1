import { judge, refused, stored, type Told, working } from './testing.ts'

const trespass = (accepted: boolean): Told => ({
  saw: 'trespass',
  doing: 'publish',
  topic: 'fleets/f/devices/other/x',
  accepted,
})
judge('topics-within-policy', [
  ['accepted', { told: [...working, trespass(true)] }],
  ['overheard', { told: [...working, { saw: 'overheard', topic: 'x' }] }],
  [
    'stored',
    { told: working, answers: { telemetry: [...stored(1, 2, 3), { topic: 'fleets/f/devices/other/telemetry' }] } },
  ],
  [
    'never answered',
    {
      told: [...working, { saw: 'fault', fault: 'trespass' }, refused('publish', '0x87')],
      answers: { refusals: [{ code: 'publish-denied' }] },
    },
  ],
  ['refused', { told: [...working, trespass(false)] }, 'holds'],
])
