import { matchesFilter } from '@muster/contracts'
import { hexCode } from './judge.ts'
import type { Life } from './life.ts'

const maxEcho = 1_024

/** All that the policy grants. */
export async function subscribeToAll(
  life: Life,
  link: { subscribe(filters: readonly string[]): Promise<number> },
): Promise<void> {
  const { grants, plan } = life
  if (plan.class.commands === 'none' || grants.length === 0) return
  const granted = await link.subscribe(grants)
  // 255: the connection has ended before the answer.
  if (granted >= 0x80 && granted < 0xff) life.refuse('subscribe', hexCode(granted))
}

/** A message has come: a command is answered on `…/events/commands/<name>`. */
export function hearMessage(life: Life, topic: string, payload: Buffer): void {
  const { world, plan, base, grants, told } = life
  world.account.counts.received += 1
  if (told === 'revoked') life.see({ saw: 'heard-revoked', topic })
  const commands = `${base}commands/`
  if (!topic.startsWith(commands)) {
    // Answers to renewals over MQTT are a device's own, and the SDK's matter.
    const isOwn = topic === `${base}renewal/response` || grants.some((filter) => matchesFilter(filter, topic))
    if (!isOwn) life.see({ saw: 'overheard', topic })
    return
  }
  world.account.counts.commands += 1
  if (plan.class.commands !== 'answer') return
  const command = topic.slice(commands.length)
  const answer = {
    at: new Date(life.now()).toISOString(),
    ...{ command, status: 'done', run: world.run, echo: payload.toString('utf8', 0, maxEcho) },
  }
  life.publish({
    topic: `${base}events/commands/${command}`,
    payload: Buffer.from(JSON.stringify(answer)),
    ...{ qos: 1, n: 0, sender: undefined, at: performance.now() },
  })
}
