import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { connect, createServer, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { openDb } from '@muster/db'
import { openTestDb } from '@muster/db/testing'
import { createTestCa } from '@muster/pki/testing'
import { pino } from 'pino'
import { expect, test } from 'vitest'
import { createApp } from './app.ts'
import { createMetrics } from './metrics.ts'
import { singleIssuer } from './testing/single-issuer.ts'

/** Stands between the pool and the database, and can be pulled out. */
async function openCable(target: string) {
  const directory = await mkdtemp(join(tmpdir(), 'muster-cable-'))
  const sockets = new Set<Socket>()
  const start = async () => {
    const server = createServer((socket) => {
      const other = connect(join(target, '.s.PGSQL.5432'))
      for (const end of [socket, other]) sockets.add(end.on('error', () => {}))
      socket.pipe(other).pipe(socket)
    }).listen(join(directory, '.s.PGSQL.5432'))
    await once(server, 'listening')
    return server
  }
  let server = await start()
  const pull = async () => {
    const closed = once(server, 'close')
    server.close()
    for (const socket of sockets) socket.destroy()
    await closed
  }
  return {
    directory,
    pull,
    plug: async () => {
      server = await start()
    },
    async [Symbol.asyncDispose]() {
      await pull()
      await rm(directory, { recursive: true, force: true })
    },
  }
}

test('without its database it says so, and goes on by itself when it is back', async () => {
  await using base = await openTestDb()
  const url = new URL(base.as('muster_provisioner'))
  await using cable = await openCable(url.searchParams.get('host') ?? '')
  url.searchParams.set('host', cable.directory)
  await using db = await openDb({ url: url.href, role: 'muster_provisioner' })
  const { issuer, trustDomain } = await createTestCa()
  const app = createApp({
    db,
    issuers: singleIssuer(issuer),
    settings: { trustDomain, publicHost: 'localhost', mqttPort: 8883, validityMs: 86_400_000 },
    log: pino({ level: 'silent' }),
    now: () => new Date(),
    metrics: createMetrics(),
  })
  const claim = `muster1.${'0'.repeat(16)}.${'a'.repeat(43)}.${'0'.repeat(64)}`
  const ready = () => app.request('/readyz')
  const enrol = () =>
    app.request('/v1/enrol', {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ claim, csr: 'x' }),
    })

  expect((await ready()).status).toBe(200)
  expect((await enrol()).status).toBe(403)
  await cable.pull()
  for (const ask of [ready, enrol, enrol]) {
    const response = await ask()
    expect(response.status).toBe(503)
    expect(await response.json()).toMatchObject({ type: 'urn:muster:error:unavailable' })
    expect(Number(response.headers.get('retry-after'))).toBeGreaterThan(0)
  }
  await cable.plug()
  expect((await ready()).status).toBe(200)
  expect((await enrol()).status).toBe(403)
})
