import { compilePolicy, presetPolicies } from '@muster/contracts'
import { describe, expect, test } from 'vitest'
import { refuseAuthenticationMethod, requireClientId, requireWill } from './connect-rules.ts'
import type { ConnectPacket } from './guard/packets.ts'

const identity = { fleet: 'f', group: 'g', device: 'd-1', profile: 'device' as const, serial: '00' }
const packet = (changed: Partial<ConnectPacket> = {}): ConnectPacket => ({
  ...{ cmd: 'connect', length: 0, clientId: 'd-1', protocolId: 'MQTT', protocolVersion: 4, clean: true, keepalive: 60 },
  ...changed,
})

describe('the client id', () => {
  test.each<[Partial<ConnectPacket>]>([
    [{ clientId: 'd-1' }],
    [{ clientId: 'd-1', clean: false }],
    [{ clientId: '' }],
    [{ clientId: '', clean: false, protocolVersion: 5 }],
  ])('may be %o', (changed) => {
    expect(() => requireClientId(packet(changed), identity)).not.toThrow()
  })

  test.each<[Partial<ConnectPacket>]>([
    [{ clientId: 'd-2' }],
    [{ clientId: 'D-1' }],
    [{ clientId: 'd-1 ' }],
    [{ clientId: 'f/d-1' }],
    [{ clientId: '__proto__' }],
    // [MQTT-3.1.3-8] of MQTT 3.1.1
    [{ clientId: '', clean: false }],
  ])('may not be %o', (changed) => {
    const refusal = expect.objectContaining({ code: 'client-id-mismatch' })
    expect(() => requireClientId(packet(changed), identity)).toThrow(refusal)
  })
})

describe('a will', () => {
  const policy = compilePolicy(presetPolicies.device, identity)
  const will = { topic: 'fleets/f/devices/d-1/events/gone', payload: Buffer.from('x'), qos: 1 as const, retain: false }

  test('of its own is allowed', () => {
    expect(() => requireWill(packet({ will }), policy)).not.toThrow()
  })

  test.each([
    { topic: 'fleets/f/devices/d-2/events/gone' },
    { topic: '$SYS/x/new/clients' },
    { topic: 'fleets/f/devices/d-1/commands/x' },
    { retain: true },
    { payload: Buffer.alloc(200_000) },
  ])('with %o is denied', (changed) => {
    const refusal = expect.objectContaining({ code: 'will-denied' })
    expect(() => requireWill(packet({ will: { ...will, ...changed } }), policy)).toThrow(refusal)
  })
})

test('a method of authentication beside the certificate is refused', () => {
  const properties = { authenticationMethod: 'SCRAM-SHA-256' }
  const refusal = expect.objectContaining({ reasonCode: 0x8c })
  expect(() => refuseAuthenticationMethod(packet({ protocolVersion: 5, properties }))).toThrow(refusal)
  expect(() => refuseAuthenticationMethod(packet({ protocolVersion: 5 }))).not.toThrow()
})
