import { describe, expect, test } from 'vitest'
import { MusterError } from './errors.ts'
import { isName, parsePeerIdentity, spiffeId } from './identity.ts'

const subject = { CN: 'pump-7', OU: 'line-1', O: 'default' }
const subjectaltname = 'URI:spiffe://muster.local/fleet/default/device/pump-7'

test('a device and a service are read from subject and SAN', () => {
  expect(parsePeerIdentity({ subject, subjectaltname })).toEqual({
    fleet: 'default',
    group: 'line-1',
    device: 'pump-7',
    profile: 'device',
  })
  const service = { subject, subjectaltname: subjectaltname.replace('device', 'service') }
  expect(parsePeerIdentity(service).profile).toBe('service')
})

test('the SPIFFE ID is written as it is read', () => {
  const identity = { fleet: 'default', group: 'line-1', device: 'pump-7', profile: 'device' } as const
  expect(`URI:${spiffeId('muster.local', identity)}`).toBe(subjectaltname)
})

describe('refused', () => {
  test.each([
    ['repeated CN', { subject: { ...subject, CN: ['pump-7', 'pump-8'] }, subjectaltname }],
    ['missing OU', { subject: { CN: 'pump-7', O: 'default' }, subjectaltname }],
    ['extra attribute', { subject: { ...subject, emailAddress: 'a' }, subjectaltname }],
    ['not a name', { subject: { ...subject, CN: 'Pump 7' }, subjectaltname }],
    ['wildcard', { subject: { ...subject, CN: '+' }, subjectaltname }],
    ['empty', {}],
    ['no SAN', { subject }],
    ['other device in SAN', { subject, subjectaltname: subjectaltname.replace('pump-7', 'pump-8') }],
    ['other fleet in SAN', { subject, subjectaltname: subjectaltname.replace('default', 'other') }],
    ['two SPIFFE IDs', { subject, subjectaltname: `${subjectaltname}, ${subjectaltname}` }],
    ['longer path', { subject, subjectaltname: `${subjectaltname}/x` }],
    ['quoted SAN', { subject, subjectaltname: `URI:"${subjectaltname.slice(4)}"` }],
  ])('%s', (_, peer) => {
    let code: string | undefined
    try {
      parsePeerIdentity(peer)
    } catch (error) {
      code = error instanceof MusterError ? error.code : 'other'
    }
    expect(code).toBe('certificate-subject')
  })
})

test.each(['', '-a', 'A', 'a/b', 'a+', '__proto__', 'a'.repeat(64), 'ä', 'a b', 'a\n'])('not a name: %j', (text) =>
  expect(isName(text)).toBe(false),
)
