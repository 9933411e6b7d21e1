import { sql } from 'drizzle-orm'
import { describe, expect, test, vi } from 'vitest'
import { openDb } from './open.ts'
import { type CountedRefusals, encodeRefusals, recordRefusal, recordRefusalsOnce } from './refusals.ts'
import { certificates } from './schema/certificates.ts'
import { devices } from './schema/devices.ts'
import { fleets } from './schema/fleets.ts'
import { refusals } from './schema/refusals.ts'
import { openTestDb, type TestDb } from './testing.ts'

const first = new Date('2026-01-01T00:00:00Z')
const refusal = { fleet: 'f', device: 'd', code: 'device-suspended', address: '192.0.2.1', detail: 'one' } as const
const shown = { subject: 'CN=d, OU=g, O=f', serial: '0a', issuer: 'CN=i', fingerprint: 'fa' }

async function openRegistry(): Promise<TestDb> {
  const test = await openTestDb()
  const at = first
  await test.db.insert(fleets).values({ name: 'f', createdAt: at })
  const device = { group: 'g', policy: 'p', profile: 'device', state: 'active', enrolledAt: at, stateAt: at } as const
  await test.db.insert(devices).values({ ...device, fleet: 'f', id: 'd', keyFingerprint: 'k' })
  const der = Buffer.alloc(1)
  const times = { notBefore: at, notAfter: at }
  const issued = { serial: '0a', fingerprint: 'fa', keyFingerprint: 'k', der, state: 'active', ...times } as const
  await test.db.insert(certificates).values({ ...issued, fleet: 'f', device: 'd', issuer: 'i' })
  return test
}

const counted = (one: Partial<CountedRefusals>) => ({ ...refusal, count: 1, firstAt: first, lastAt: first, ...one })
const record = ({ db }: TestDb, all: readonly Partial<CountedRefusals>[]) =>
  db.$client.query('select record_refusals($1::jsonb)', [encodeRefusals(all.map(counted))])
const later = (seconds: number) => new Date(first.getTime() + 1_000 * seconds)
const rowsOf = ({ db }: TestDb) => db.select().from(refusals).orderBy(refusals.lastAt)
const total = async ({ db }: TestDb) => {
  const { rows } = await db.execute<{ total: number }>(sql`select sum(count)::int as total from refusals`)
  return rows[0]?.total
}

test.each(['muster_provisioner', 'muster_broker'] as const)('%s counts equal refusals in one row', async (role) => {
  await using test = await openRegistry()
  await using db = await openDb({ url: test.as(role), role })
  await recordRefusal(db, { ...refusal, proven: true, at: first })
  const times = Array.from({ length: 20 }, (_, index) => later(index + 1))
  await Promise.all(times.map((at) => recordRefusal(db, { ...refusal, proven: true, detail: 'two', at })))
  const expected = { ...refusal, detail: 'two', count: 21, alert: false, firstAt: first, lastAt: later(20) }
  expect(await rowsOf(test)).toMatchObject([expected])
})

test('other codes, addresses, devices and proofs have rows of their own', async () => {
  await using test = await openRegistry()
  const others = [{}, { code: 'device-revoked' }, { address: '192.0.2.2' }, { device: 'e' }, { proven: true }] as const
  for (const other of others) await recordRefusal(test.db, { ...refusal, ...other, at: first })
  expect(await test.db.$count(refusals)).toBe(5)
})

test('an alert stays raised', async () => {
  await using test = await openRegistry()
  for (const alert of [false, true, false]) await recordRefusal(test.db, { ...refusal, alert, at: first })
  expect(await rowsOf(test)).toMatchObject([{ alert: true, count: 3 }])
})

test.each([
  ['the certificate that was issued to it', {}, true],
  ['its serial number on another certificate', { fingerprint: 'fb' }, false],
  ['a serial number that nobody has', { serial: '0b' }, false],
])('%s: proven is %3$s', async (_, certificate, proven) => {
  await using test = await openRegistry()
  // Whatever the caller says.
  await record(test, [{ certificate: { ...shown, ...certificate }, proven: !proven }])
  expect(await rowsOf(test)).toMatchObject([{ fleet: 'f', device: 'd', proven, subject: shown.subject }])
})

test('the certificate of one device proves no other name', async () => {
  await using test = await openRegistry()
  await record(test, [{ device: 'e', certificate: shown }])
  expect(await rowsOf(test)).toMatchObject([{ device: 'e', proven: false }])
})

test('a fleet that does not exist is nobody’s', async () => {
  await using test = await openRegistry()
  await record(test, [{ fleet: 'nowhere', device: 'd' }])
  expect(await rowsOf(test)).toMatchObject([{ fleet: '', device: 'd', proven: false }])
})

test('what a peer makes up is cut, and can always be written', async () => {
  await using test = await openRegistry()
  const nasty = `\u0000\ud800${'x'.repeat(100_000)}\udc00`
  await record(test, [
    { device: nasty, detail: nasty, certificate: { ...shown, subject: nasty, issuer: nasty, serial: nasty } },
  ])
  const [row] = await rowsOf(test)
  expect(JSON.stringify(row).length).toBeLessThan(1_500)
})

test('one address that changes its name has twenty rows, and then one for all', async () => {
  await using test = await openRegistry()
  for (let round = 0; round < 10; round++)
    await record(
      test,
      Array.from({ length: 50 }, (_, index) => ({ device: `name-${round}-${index}` })),
    )
  const rows = await rowsOf(test)
  expect(rows).toHaveLength(21)
  expect(rows.find(({ device }) => device === '')).toMatchObject({ address: refusal.address, count: 480 })
})

test('a device’s own refusals are not pushed out by those who claim to be it, nor counted beyond the bound', async () => {
  await using test = await openRegistry()
  await record(test, [{ proven: true, address: '198.51.100.1' }])
  for (let round = 1; round <= 10; round++)
    await record(
      test,
      Array.from({ length: 50 }, (_, index) => ({ address: `10.0.${round}.${index}`, lastAt: later(round) })),
    )
  const rows = await rowsOf(test)
  expect(rows.filter(({ proven }) => proven)).toMatchObject([{ address: '198.51.100.1', count: 1 }])
  expect(rows.filter(({ proven, device }) => !proven && device === 'd')).toHaveLength(10)
  expect(rows.find(({ address }) => address === '*')).toMatchObject({
    fleet: '',
    device: '',
    proven: false,
    count: 490,
  })
})

test('strangers with ever new names, addresses and serial numbers have 500 rows a code; nothing goes uncounted', async () => {
  await using test = await openRegistry()
  await record(test, [{ device: '', code: 'certificate-untrusted', address: '203.0.113.9' }])
  let number = 0
  const stranger = (round: number) => {
    number += 1
    const address = `10.${number >> 16}.${(number >> 8) & 255}.${number & 255}`
    const certificate = { ...shown, serial: number.toString(16), fingerprint: String(number) }
    return { fleet: `f${number}`, device: `d${number}`, address, certificate, lastAt: later(round) }
  }
  for (let round = 1; round <= 12; round++)
    await record(
      test,
      Array.from({ length: 500 }, () => stranger(round)),
    )
  const rows = await rowsOf(test)
  expect(rows.filter(({ code, address }) => code === refusal.code && address !== '*')).toHaveLength(500)
  expect(rows.find(({ address }) => address === '*')).toMatchObject({ device: '', count: 5_500 })
  // Another code has room of its own.
  expect(rows.find(({ code }) => code === 'certificate-untrusted')).toMatchObject({ address: '203.0.113.9' })
  expect(await total(test)).toBe(6_001)
})

test('a device that comes from ever new addresses has fifty rows, the newest, and one for the rest', async () => {
  await using test = await openRegistry()
  for (let number = 0; number < 60; number++)
    await record(test, [{ certificate: shown, address: `10.0.0.${number}`, lastAt: later(number) }])
  const rows = await rowsOf(test)
  expect(rows).toHaveLength(51)
  expect(rows.find(({ address }) => address === '*')).toMatchObject({ device: 'd', proven: true, count: 10 })
  expect(rows.at(-1)).toMatchObject({ address: '10.0.0.59' })
})

test('many nodes at once lose nothing, and wait for nobody for ever', async () => {
  await using test = await openRegistry()
  const node = async (index: number) => {
    await using db = await openDb({ url: test.as('muster_broker'), role: 'muster_broker' })
    for (let round = 0; round < 10; round++)
      await record(
        { ...test, db },
        Array.from({ length: 60 }, (_, n) => ({ device: `d${n}`, address: `10.${index % 2}.${round}.${n}` })),
      )
  }
  await Promise.all(Array.from({ length: 4 }, (_, index) => node(index)))
  expect(await total(test)).toBe(4 * 10 * 60)
})

describe('a batch', () => {
  const writer = '00000000-0000-4000-8000-000000000001'
  const send = ({ db }: Pick<TestDb, 'db'>, batch: number, one: Partial<CountedRefusals> = {}, by = writer) =>
    recordRefusalsOnce(db, { writer: by, batch }, [counted(one)])

  test('counts once, however often it is sent, and not at all after a later one; each writer has its own', async () => {
    await using test = await openRegistry()
    await using db = await openDb({ url: test.as('muster_broker'), role: 'muster_broker' })
    for (const batch of [1, 1, 2, 1, 2]) await send({ db }, batch)
    expect(await total(test)).toBe(2)
    await send({ db }, 1, {}, '00000000-0000-4000-8000-000000000002')
    expect(await total(test)).toBe(3)
  })

  test.each(['commit', 'rollback'])(
    'that is under way still (%s) is waited for by the one that is sent again',
    async (end) => {
      await using test = await openRegistry()
      const client = await test.db.$client.connect()
      await client.query('begin')
      const values = [writer, encodeRefusals([counted({})])]
      await client.query('select record_refusals_once($1, 1, $2)', values)
      const again = send(test, 1)
      await vi.waitFor(async () => {
        const { rows } = await client.query(
          `select from pg_locks where not granted and locktype = 'transactionid' and pid <> pg_backend_pid()
          and transactionid = pg_current_xact_id()::xid`,
        )
        expect(rows).toHaveLength(1)
      }, 5_000)
      await client.query(end)
      client.release()
      await again
      expect(await total(test)).toBe(1)
    },
  )

  test('that is not taken leaves no trace: its number is still to be had', async () => {
    await using test = await openRegistry()
    await expect(send(test, 1, { code: null as never })).rejects.toThrow()
    await send(test, 1)
    expect(await total(test)).toBe(1)
  })
})

describe('a certificate from elsewhere', () => {
  const foreign = { code: 'certificate-untrusted', alert: true } as const
  const alertsOf = async (test: TestDb) => (await rowsOf(test)).filter(({ alert }) => alert)
  const addDevices = async ({ db }: TestDb, count: number) => {
    const times = { enrolledAt: first, stateAt: first }
    const one = { fleet: 'f', group: 'g', policy: 'p', profile: 'device', state: 'active', ...times } as const
    const all = Array.from({ length: count }, (_, n) => ({ ...one, id: `own-${n}`, keyFingerprint: `k${n}` }))
    await db.insert(devices).values(all)
  }

  test.each([
    ['with the name of a device', {}, true],
    ['with a name that no device has', { device: 'nobody' }, false],
    ['with a device’s name in another fleet', { fleet: 'nowhere' }, false],
    ['that was issued to the device', { certificate: shown }, true],
  ])('%s: alert is %3$s', async (_, changed, alert) => {
    await using test = await openRegistry()
    await record(test, [{ ...foreign, certificate: { ...shown, fingerprint: 'fb' }, ...changed }])
    expect(await rowsOf(test)).toMatchObject([{ code: 'certificate-untrusted', alert }])
  })

  test('strangers who know the names of all devices raise twenty alerts an hour, whatever they push out', async () => {
    await using test = await openRegistry()
    await addDevices(test, 300)
    let number = 0
    const stranger = (device: string, seconds: number) => {
      number += 1
      const certificate = { ...shown, serial: `${number}`, fingerprint: `${number}` }
      return { ...foreign, device, certificate, address: `10.1.${number >> 8}.${number & 255}`, lastAt: later(seconds) }
    }
    const raised = new Set<string>()
    const attack = async (seconds: number) => {
      // One device from everywhere, all devices, and noise to push out what stands there.
      const names = ['d', 'own-1', 'nobody'].map((name) => Array.from({ length: 100 }, () => name))
      const all = [...names.flat(), ...Array.from({ length: 300 }, (_, n) => `own-${n}`)]
      await record(
        test,
        all.map((name) => stranger(name, seconds)),
      )
      for (const { address, device, code, proven } of await alertsOf(test))
        if (code === foreign.code && !proven && address !== '*') raised.add(`${device} ${address}`)
    }
    for (let round = 0; round < 5; round++) await attack(round)
    expect(raised.size).toBe(20)
    expect(await total(test)).toBe(5 * 600)

    // What is proven, and what only a holder of our CA's key can do, is told all the same.
    await record(test, [
      { ...foreign, certificate: shown, address: '192.0.2.9', lastAt: later(6) },
      { code: 'certificate-unknown', alert: true, device: 'ghost', certificate: { ...shown, serial: '0b' } },
    ])
    const told = (await alertsOf(test)).filter(({ proven, code }) => proven || code === 'certificate-unknown')
    expect(told).toHaveLength(2)

    await attack(3_700)
    expect(raised.size).toBe(40)
    expect((await rowsOf(test)).length).toBeLessThan(600)
  })

  test('nodes that count at once have twenty together', async () => {
    await using test = await openRegistry()
    await addDevices(test, 30)
    const node = async (index: number) => {
      await using db = await openDb({ url: test.as('muster_broker'), role: 'muster_broker' })
      for (let n = 0; n < 30; n++)
        await record({ ...test, db }, [{ ...foreign, device: `own-${n}`, address: `10.2.${index}.${n}` }])
    }
    await Promise.all(Array.from({ length: 4 }, (_, index) => node(index)))
    expect(await alertsOf(test)).toHaveLength(20)
    expect(await total(test)).toBe(120)
  })
})
