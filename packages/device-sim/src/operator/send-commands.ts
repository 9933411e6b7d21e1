import type { Service } from './service.ts'

interface Sent {
  at: number
  answered: () => void
}

export interface Commander {
  /** Sends one; `onAnswer` is told how long the answer took. */
  send(device: string, onAnswer: (ms: number) => void): Promise<void>
  /** Those that wait for their answer. */
  waiting(): number
}

/** Sends commands as a service, and hears the answers. */
export async function openCommander(service: Service, prefix: string): Promise<Commander> {
  const sent = new Map<string, Sent>()
  let count = 0
  await service.listen(`fleets/${service.fleet}/devices/+/events/commands/#`, (topic) => {
    const name = topic.slice(topic.lastIndexOf('/') + 1)
    const command = sent.get(name)
    if (!command) return
    sent.delete(name)
    command.answered()
  })
  return {
    async send(device, onAnswer) {
      count += 1
      const name = `${prefix}-${count}`
      const at = performance.now()
      sent.set(name, { at, answered: () => onAnswer(performance.now() - at) })
      await service.publish(`fleets/${service.fleet}/devices/${device}/commands/${name}`, JSON.stringify({ n: count }))
    },
    waiting: () => sent.size,
  }
}
