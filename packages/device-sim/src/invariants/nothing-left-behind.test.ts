import { end, happy, judge, working } from './testing.ts'

judge('nothing-left-behind', [
  ['a connection', { told: working, answers: { devices: [{ connected: true }] } }],
  ['a socket in a worker', { told: working, leftovers: ['TLSSocket'] }],
  ['a device that is off', { told: [...happy, end('off')], answers: { devices: [{ connected: true }] } }, 'holds'],
])
