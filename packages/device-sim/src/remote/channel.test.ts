import { randomBytes } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterEach, describe, expect, test, vi } from 'vitest'
import { createRandom } from '../random.ts'
import { Channel } from './channel.ts'

const timing = { repeatMs: 20, beatMs: 20, silenceMs: 10_000 }
const open: Channel[] = []
afterEach(() => {
  for (const channel of open.splice(0)) channel[Symbol.dispose]()
})

/** Two channels on a line that does what it likes with each payload. */
function pair(deliver: (to: Channel, payload: Buffer) => void) {
  const heard: unknown[] = []
  const broken: string[] = []
  const there: Channel = new Channel({
    publish: async (payload) => deliver(here, payload),
    onMessage: (message) => heard.push(message),
    onBroken: (why) => broken.push(why),
    timing,
  })
  const here: Channel = new Channel({
    publish: async (payload) => deliver(there, payload),
    onMessage: () => undefined,
    onBroken: (why) => broken.push(why),
    timing,
  })
  open.push(here, there)
  return { here, there, heard, broken }
}

/** Does not compress. */
const noise = (bytes: number) => randomBytes(bytes).toString('base64')

describe('works', () => {
  test('messages come in order, also those that are larger than a frame', async () => {
    const sizes: number[] = []
    const { here, heard } = pair((to, payload) => {
      sizes.push(payload.length)
      setImmediate(() => to.receive(payload))
    })
    const messages = [1, { long: noise(300_000) }, 'two', { long: noise(100_000) }]
    for (const message of messages) here.send(message)
    await here.flush()
    expect(heard).toEqual(messages)
    expect(Math.max(...sizes)).toBeLessThan(131_072)
  })

  test('a window bounds what is under way while nothing is confirmed', async () => {
    let frames = 0
    const { here } = pair((_, payload) => {
      if (payload.length > 100) frames += 1
    })
    here.send({ long: noise(4_000_000) })
    await sleep(5)
    expect(frames).toBe(16)
  })
})

describe('is safe from', () => {
  test.each([1, 2, 3])(
    'a line that loses, repeats and delays (seed %i)',
    async (seed) => {
      const random = createRandom(seed)
      const { here, heard, broken } = pair((to, payload) => {
        const copies = random() < 0.2 ? 0 : random() < 0.2 ? 2 : 1
        for (let copy = 0; copy < copies; copy += 1) setTimeout(() => to.receive(payload), random() * 10)
      })
      const messages = Array.from({ length: 60 }, (_, n) => ({ n, text: n % 20 === 0 ? noise(200_000) : '' }))
      for (const message of messages) here.send(message)
      await vi.waitFor(() => expect(heard.length).toBe(messages.length), { timeout: 20_000 })
      expect(heard).toEqual(messages)
      expect(broken).toEqual([])
    },
    30_000,
  )

  test('somebody who does not speak its language', () => {
    const { there, broken } = pair(() => undefined)
    there.receive(Buffer.from('hello'))
    expect(broken).toEqual(['request-invalid: not a frame'])
    there.receive(Buffer.from('hello'))
    expect(broken.length).toBe(1)
  })

  test('silence', async () => {
    const broken = vi.fn()
    const channel = new Channel({
      publish: async () => undefined,
      onMessage: () => undefined,
      onBroken: broken,
      timing: { ...timing, silenceMs: 50 },
    })
    open.push(channel)
    await vi.waitFor(() => expect(broken).toHaveBeenCalledOnce())
    await channel.flush()
  })
})
