import { expect, test, vi } from 'vitest'
import { rawClient, startTestBroker } from './testing.ts'

test.each(['TLSv1.2', 'TLSv1.3'] as const)(
  'a %s session resumes while the device is good, and not after',
  async (version) => {
    await using muster = await startTestBroker()
    const device = await muster.addDevice('resuming')
    const tls = { minVersion: version, maxVersion: version }
    const attempt = async (session?: Buffer) => {
      const socket = await muster.openTls(device, { ...tls, ...(session ? { session } : {}) })
      const sessions: Buffer[] = []
      socket.on('session', (s: Buffer) => sessions.push(s))
      const client = rawClient(socket)
      client.connect('resuming')
      await vi.waitFor(() => expect(client.received[0]).toBeDefined())
      const got = {
        count: sessions.length,
        reused: socket.isSessionReused(),
        answer: client.received[0],
        session: sessions.at(-1) ?? socket.getSession(),
      }
      socket.destroy()
      return got
    }
    const first = await attempt()
    console.log(first.count)
    const second = await attempt(first.session)
    console.log(second.count)
  },
)
