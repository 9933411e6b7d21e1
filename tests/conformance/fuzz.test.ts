import { createDice, createPackets, createProgress, mutate, split } from '@muster/broker/testing'
import { expect, test, vi } from 'vitest'
import { startConformance } from './harness.ts'

/** Connections in all; `node tests/bench/fuzz.ts` asks for more. */
const wanted = Number(process.env.MUSTER_FUZZ_SOCKETS ?? 150)
const seed = Number(process.env.MUSTER_FUZZ_SEED ?? 4)

test(
  'over TLS: nothing beyond the policy is stored, subscribed to or delivered; no connection stays',
  async () => {
    // Nobody is slowed down for what is refused here.
    await using broker = await startConformance({ limits: { connectMs: 1_000, wastedHandshakes: 1_000_000 } })
    const dice = createDice(seed)
    const victim = await broker.device('victim')
    // Silent for as long as it takes.
    const held = await broker.open(victim, 5, { keepalive: 1_800 })
    await held.subscribe('fleets/default/devices/victim/commands/#', { qos: 0 })
    const witness = await broker.open(await broker.service('witness'), 5)
    await witness.subscribe('fleets/default/#', { qos: 0 })
    const attackers = await Promise.all(Array.from({ length: 8 }, (_, index) => broker.device(`attacker-${index}`)))
    const own = (id: string) => `fleets/default/devices/${id}`
    let heard = ''

    async function attack(device: (typeof attackers)[number]) {
      const version = dice.pick([4, 5] as const)
      const packets = createPackets(dice, version, own(device.id), own('victim'))
      const parts = [packets.connect(dice.pick([device.id, device.id, '', 'victim']))]
      if (dice.roll(8) === 0) parts[0] = mutate(parts[0] as Buffer, dice, packets.next())
      for (let count = 2 + dice.roll(8); count > 0; count--)
        parts.push(dice.roll(3) === 0 ? mutate(packets.next(), dice, packets.next()) : packets.next())
      const socket = await broker.muster.openTls(device)
      socket.on('data', (chunk: Buffer) => {
        heard += chunk.toString('latin1')
      })
      const closed = new Promise((resolve) => socket.once('close', resolve))
      for (const piece of split(Buffer.concat(parts), dice)) socket.write(piece)
      // Half of them stay until they are answered, or closed.
      if (dice.roll(2)) await Promise.race([closed, new Promise((resolve) => socket.once('data', resolve))])
      socket.destroy()
      await closed
    }

    let secrets = 0
    const progress = createProgress('over TLS, connections', wanted)
    for (let done = 0; done < wanted; done += attackers.length) {
      witness.send({
        ...{ cmd: 'publish', topic: `${own('victim')}/commands/secret`, payload: `TOP-SECRET-${++secrets}` },
        ...{ qos: 1, messageId: 1 + (secrets % 60_000), dup: false, retain: false },
      })
      await Promise.all(attackers.map(attack))
      progress(done)
    }

    await held.next('publish', secrets)
    expect(held.published().every(({ topic }) => topic === `${own('victim')}/commands/secret`)).toBe(true)
    expect(heard).not.toContain('TOP-SECRET')
    const others = witness.published().filter(({ payload }) => !payload.toString().startsWith('TOP-SECRET'))
    const allowed = /^fleets\/default\/devices\/attacker-\d\/(telemetry|events|state)(\/|$)/
    expect(others.filter(({ topic }) => !allowed.test(topic))).toEqual([])
    const { rows } = await broker.muster.db.$client.query('select device, topic from telemetry')
    const stray = rows.filter(({ device, topic }) => !allowed.test(topic) || !topic.startsWith(`${own(device)}/`))
    expect(stray).toEqual([])
    await vi.waitFor(async () => {
      const metrics = await (await fetch(`http://127.0.0.1:${broker.muster.broker.metricsPort}/metrics`)).text()
      expect(/^muster_broker_connections (\d+)/m.exec(metrics)?.[1]).toBe('2')
    }, 10_000)
    console.log(`sockets: ${secrets * attackers.length} connections, ${rows.length} messages stored`)
    await Promise.all([held.drop(), witness.drop()])
  },
  60_000 + wanted * 200,
)
