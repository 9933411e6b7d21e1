import { judge, stored, topic, working } from './testing.ts'

judge('stored-once', [
  ['one is missing', { told: working, answers: { telemetry: stored(1, 3) } }],
  ['none is there', { told: working, answers: { telemetry: [{}] } }],
  ['one is there twice', { told: working, answers: { telemetry: stored(1, 2, 2, 3) } }],
  ['out of order', { told: working, answers: { telemetry: stored(1, 3, 2) } }],
  ['one that nobody has sent', { told: working, answers: { telemetry: stored(1, 2, 3, 4) } }],
  [
    'on a topic on which it is silent',
    { told: working, answers: { telemetry: [...stored(1, 2, 3), { n: 1, topic: `${topic}-2` }] } },
  ],
  [
    'of a device that is not there',
    {
      told: working,
      answers: {
        telemetry: [...stored(1, 2, 3), { device: 'sim-a-thing-00002', topic: topic.replace('00001', '00002'), n: 1 }],
      },
    },
  ],
  [
    'twice and marked',
    {
      told: working,
      answers: { telemetry: [...stored(1, 2, 3), { n: 2, duplicate: true }, { n: 3, duplicate: true }] },
    },
    'holds',
  ],
  [
    'only the repetition has arrived',
    { told: working, answers: { telemetry: [{ n: 1 }, { n: 2, duplicate: true }, { n: 3 }] } },
    'holds',
  ],
  [
    'not acknowledged, and stored all the same',
    { told: [...working, { saw: 'sent', topic, last: 4 }], answers: { telemetry: stored(1, 2, 3, 4) } },
    'holds',
  ],
  ['what has no number', { told: working, answers: { telemetry: [...stored(1, 2, 3), {}, {}] } }, 'holds'],
])
