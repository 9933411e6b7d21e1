import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { type ClockSources, openClock } from '../contact/clock.ts'
import { loadSnapshot } from './load-snapshot.ts'
import type { LookupRow } from './registry.ts'

let directory: string
const machine = { up: 1_000_000, wall: 1_700_000_000_000, boot: 'boot-1' }
let errors: unknown[]
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'muster-snapshot-'))
  errors = []
})
afterEach(() => rm(directory, { recursive: true, force: true }))

const sources: ClockSources = {
  boot: () => machine.boot,
  upMs: () => machine.up,
  steadyMs: () => machine.up,
  wallMs: () => machine.wall,
}
const pass = (ms: number) => {
  machine.up += ms
  machine.wall += ms
}
const setMachine = (changed: Partial<typeof machine>) => void Object.assign(machine, changed)
const freshnessMs = 60_000

/** A process with a snapshot in the test's directory. */
async function open(bound = freshnessMs) {
  const clock = openClock(sources)
  const snapshot = await loadSnapshot({ directory, clock, freshnessMs: bound, onError: (error) => errors.push(error) })
  const row = (device: string, more: Partial<LookupRow> = {}): LookupRow => ({
    ...{ serial: `serial-${device}`, fingerprint: 'f', certificateState: 'active', fleet: 'default', device },
    ...{ profile: 'device', deviceState: 'active', issuerState: 'active', lateRenewalDays: 0, group: 'g' },
    ...{ devicePolicy: null, claimPolicy: 'meter', groupPolicy: null, fleetPolicy: null, policyVersion: 1 },
    ...{ deviceStateAt: null, revokedAt: null, revocationReason: null, onClone: 'keep-newest' },
    ...{ document: { name: 'meter', allow: [] }, changePending: false, readAt: clock.now(), ...more },
  })
  const keep = (device: string, more?: Partial<LookupRow>) => {
    const kept = row(device, more)
    snapshot.keep(kept)
    pass(1)
    return kept
  }
  const stateOf = (device: string) => snapshot.find(`serial-${device}`)?.deviceState
  return { ...{ clock, snapshot, row, keep, stateOf }, close: () => snapshot[Symbol.asyncDispose]() }
}

describe('keeps', () => {
  test('rows with everything in them, for a later process too', async () => {
    const first = await open()
    const kept = first.keep('a', { stateAt: new Date(5), clones: { keep: 'newest' } } as Partial<LookupRow>)
    first.snapshot.keepFact('trust', { ca: ['pem'] })
    first.snapshot.markFresh(first.clock.now())
    const expected = { ...kept, isVouchedFor: true, readAt: expect.any(Number) }
    expect(first.snapshot.find('serial-a')).toEqual(expected)
    await first.close()
    pass(10_000)
    const second = await open()
    expect(second.snapshot.find('serial-a')).toEqual(expected)
    expect(second.snapshot.fact('trust')).toEqual({ ca: ['pem'] })
    expect(second.snapshot.heldUntil - second.clock.now()).toBe(50_000)
    await second.close()
  })

  test('a policy once, however many devices have it', async () => {
    const { keep, snapshot, close } = await open()
    for (let number = 0; number < 20; number++) keep(`d-${number}`)
    await snapshot.sync()
    const text = await readFile(join(directory, 'admission.log'), 'utf8')
    expect(text.match(/allow/g)).toHaveLength(1)
    await close()
  })

  test('what is as it was without writing it again', async () => {
    const { row, snapshot, clock, close } = await open()
    const tell = async () => {
      snapshot.keep({ ...row('a'), readAt: clock.now() })
      snapshot.keepFact('trust', { ca: ['pem'] })
      pass(1)
      await snapshot.sync()
      return (await stat(join(directory, 'admission.log'))).size
    }
    const size = await tell()
    expect(await tell()).toBe(size)
    await close()
  })

  test('files that nobody else can read', async () => {
    const { close } = await open()
    for (const name of ['admission.log', 'admission.key'])
      expect((await stat(join(directory, name))).mode & 0o777).toBe(0o600)
    await close()
  })
})

describe('does not vouch', () => {
  test('for what was read longer ago than the bound', async () => {
    const { keep, stateOf, close } = await open()
    keep('a')
    pass(freshnessMs - 10)
    expect(stateOf('a')).toBe('active')
    pass(20)
    expect(stateOf('a')).toBeUndefined()
    await close()
  })

  test.each([
    ['revoke', 'revoked'],
    ['suspend', 'suspended'],
    ['retire', 'retired'],
    ['resume', undefined],
  ] as const)('for a device after a change of kind %s', async (kind, expected) => {
    const first = await open()
    first.keep('a')
    first.keep('b')
    first.snapshot.markFresh(first.clock.now())
    first.snapshot.note({ kind, fleet: 'default', device: 'a' })
    expect([first.stateOf('a'), first.stateOf('b')]).toEqual([expected, 'active'])
    await first.snapshot.sync()
    const second = await open()
    expect([second.stateOf('a'), second.stateOf('b')]).toEqual([expected, 'active'])
    await Promise.all([first.close(), second.close()])
  })

  test('for a whole fleet when something about all of it has changed, and for no other', async () => {
    const { keep, snapshot, stateOf, close } = await open()
    keep('a')
    keep('b', { fleet: 'other' })
    snapshot.note({ kind: 'policy' as never, fleet: 'default' })
    expect([stateOf('a'), stateOf('b')]).toEqual([undefined, 'active'])
    await close()
  })

  test('by an answer that was on its way while the device was revoked', async () => {
    const { row, snapshot, stateOf, close } = await open()
    const answer = row('a')
    pass(5)
    snapshot.note({ kind: 'revoke', fleet: 'default', device: 'a' })
    pass(5)
    snapshot.keep(answer)
    expect(stateOf('a')).toBeUndefined()
    await close()
  })

  test('by a sweep that began before the device was revoked', async () => {
    const { keep, row, snapshot, stateOf, close } = await open()
    keep('a')
    const sweep = snapshot.refresh(async () => {
      const answer = row('a', { lateRenewalDays: 3 })
      pass(5)
      snapshot.note({ kind: 'revoke', fleet: 'default', device: 'a' })
      return new Map([['serial-a', answer]])
    }, 'all')
    for await (const _ of sweep);
    expect(stateOf('a')).toBe('revoked')
    await close()
  })
})

describe('a sweep', () => {
  test('makes rows good for the whole bound again, takes up what has changed, and drops what is gone', async () => {
    const first = await open()
    for (const device of ['a', 'b', 'c']) first.keep(device)
    pass(40_000)
    const rows = [first.row('a'), first.row('b', { deviceState: 'suspended' })]
    for await (const _ of first.snapshot.refresh(async () => new Map(rows.map((row) => [row.serial, row])), 'all'));
    pass(40_000)
    expect(['a', 'b', 'c'].map(first.stateOf)).toEqual(['active', 'suspended', undefined])
    first.snapshot.markFresh(first.clock.now())
    await first.close()
    const second = await open()
    expect(['a', 'b', 'c'].map(second.stateOf)).toEqual(['active', 'suspended', undefined])
    expect(second.snapshot.size()).toBe(2)
    await second.close()
  })
})

test('what is not believed is read again by itself, and then it is', async () => {
  const { keep, row, snapshot, stateOf, close } = await open()
  keep('a')
  keep('b')
  snapshot.doubt({ key: 'default/a' })
  expect([stateOf('a'), stateOf('b')]).toEqual([undefined, 'active'])
  pass(5)
  const asked: string[][] = []
  const findAll = async (serials: string[]) => {
    asked.push(serials)
    return new Map([['serial-a', row('a')]])
  }
  for await (const _ of snapshot.refresh(findAll, 'doubted'));
  expect(asked).toEqual([['serial-a']])
  expect([stateOf('a'), stateOf('b')]).toEqual(['active', 'active'])
  await close()
})

describe('a later process may not serve', () => {
  const leaveOne = async () => {
    const first = await open()
    first.keep('a')
    first.snapshot.markFresh(first.clock.now())
    return first
  }
  const file = () => join(directory, 'admission.log')

  test.each<[string, () => void]>([
    ['the bound is over', () => pass(freshnessMs + 1_000)],
    ['the clock was set back', () => setMachine({ wall: machine.wall - 3_600_000 })],
    ['the machine was started anew', () => setMachine({ boot: 'boot-2' })],
  ])('when %s', async (_, happen) => {
    const before = { ...machine }
    await (await leaveOne()).close()
    happen()
    const { snapshot, clock, stateOf, close } = await open()
    expect(snapshot.heldUntil).toBeLessThan(clock.now())
    expect(stateOf('a')).toBeUndefined()
    await close()
    setMachine(before)
  })

  test('for longer than the registry was promised, whatever bound it is given', async () => {
    await (await leaveOne()).close()
    const { snapshot, clock, close } = await open(10 * freshnessMs)
    expect(snapshot.heldUntil - clock.now()).toBeLessThanOrEqual(freshnessMs)
    await close()
  })

  test('when this one has taken its leave of the registry', async () => {
    const first = await leaveOne()
    await first.snapshot.leave()
    const { snapshot, clock, close } = await open()
    expect(snapshot.heldUntil).toBeLessThan(clock.now())
    await Promise.all([first.close(), close()])
  })

  test.each([
    ['a bit is another', (text: string) => text.replace('"deviceState\\":\\"active', '"deviceState\\":\\"Active')],
    ['a line is left out', (text: string) => text.replace(/\n[^\n]*\n/, '\n')],
    ['lines have changed places', (text: string) => text.replace(/^(.*\n)(.*\n)/, '$2$1')],
    ['it has the key of another', (text: string) => text],
  ] as const)('when the file is not what was written: %s', async (what, forge) => {
    await (await leaveOne()).close()
    await writeFile(file(), forge(await readFile(file(), 'utf8')))
    if (what === 'it has the key of another') await writeFile(join(directory, 'admission.key'), Buffer.alloc(32, 1))
    const { snapshot, clock, stateOf, close } = await open()
    expect(errors).toHaveLength(1)
    expect(snapshot.heldUntil).toBeLessThan(clock.now())
    expect(stateOf('a')).toBeUndefined()
    await close()
  })

  test('but a line that a crash has cut off takes nothing else along', async () => {
    await (await leaveOne()).close()
    await writeFile(file(), `${await readFile(file(), 'utf8')}AAAAAAAAAAAAAAAAAAAAAA["row","ser`)
    const { snapshot, clock, stateOf, close } = await open()
    expect(errors).toEqual([])
    expect(snapshot.heldUntil).toBeGreaterThan(clock.now())
    expect(stateOf('a')).toBe('active')
    await close()
  })
})
