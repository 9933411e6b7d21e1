import type { PlannedFault } from '../../plan/device-plan.ts'
import { createRandom } from '../../random.ts'
import type { Actor, ActorContext, Voice } from '../actor.ts'
import { pause } from './pause.ts'

type Doing = 'publish' | 'subscribe'

/** From here on an MQTT reason code is a refusal; all ones: the connection ended. */
const firstRefusal = 0x80
const closed = 0xff

/** A device that tries, on its own connection, all that its policy does not grant. */
export function playTrespasser(fault: Extract<PlannedFault, { do: 'trespass' }>): Actor {
  return async (context) => {
    const { plan, signal } = context
    const { enrolment } = await context.credentials()
    const random = createRandom(fault.seed)
    const targets = { fleet: enrolment.device.fleet, device: plan.device, other: nameNeighbour(plan.device) }
    const topics = { publish: listTopics(targets), subscribe: listFilters(targets, plan.class.group) }
    // Each of them begins somewhere else.
    let turn = Math.floor(random() * 1_000)
    while (await pause(fault.every, signal)) {
      for (const doing of ['publish', 'subscribe'] as const) {
        const voice = context.voice()
        const topic = topics[doing][turn % topics[doing].length]
        if (voice && topic !== undefined) await trespass(context, voice, { doing, topic })
      }
      turn += 1
    }
  }
}

async function trespass(
  { observe, note, signal }: ActorContext,
  voice: Voice,
  { doing, topic }: { doing: Doing; topic: string },
): Promise<void> {
  observe({ saw: 'fault', fault: 'trespass' })
  const code = doing === 'publish' ? await voice.publish(topic, Buffer.from('{}'), 1) : await voice.subscribe(topic, 1)
  // MQTT 3.1.1 has no other way to refuse a message; where it was the end of the run, nobody has answered.
  if (code === closed && (signal.aborted || doing === 'subscribe' || voice.version === 5)) return
  const accepted = code < firstRefusal
  observe({ saw: 'trespass', doing, topic, accepted })
  if (accepted || code === closed) return
  const text = `0x${code.toString(16)}`
  observe({ saw: 'refused', doing, code: text })
  note(doing, text, true)
}

/** Another device of its class, whether there is one or not. */
function nameNeighbour(device: string): string {
  const [, name = device, digits = '0'] = /^(.*-)(\d+)$/.exec(device) ?? []
  const number = Number(digits)
  return `${name}${String(number > 1 ? number - 1 : number + 1).padStart(digits.length, '0')}`
}

interface Targets {
  fleet: string
  device: string
  other: string
}

function listTopics({ fleet, device, other }: Targets): string[] {
  return [
    `fleets/${fleet}/devices/${other}/telemetry/forged`,
    `fleets/${fleet}/devices/${other}/commands/reboot`,
    `fleets/${fleet}/devices/${other}/renewal/request`,
    `fleets/${fleet}/devices/${device}/commands/reboot`,
    `fleets/${fleet}/devices/${device}/renewal/response`,
    `fleets/${fleet}/groups/default/broadcast/forged`,
    `fleets/elsewhere/devices/${device}/telemetry/forged`,
    `fleets/${fleet}/devices/${device}`,
    '$SYS/broker/forged',
    'forged',
  ]
}

function listFilters({ fleet, device, other }: Targets, group: string): string[] {
  return [
    '#',
    '+/+/+/+/+/+',
    '$SYS/#',
    `$share/spies/fleets/${fleet}/devices/+/telemetry/#`,
    `$share/spies/fleets/${fleet}/devices/${device}/commands/#`,
    `fleets/${fleet}/#`,
    `fleets/${fleet}/devices/+/telemetry/#`,
    `fleets/${fleet}/devices/${other}/commands/#`,
    `fleets/${fleet}/devices/${other}/renewal/response`,
    `fleets/+/devices/${device}/commands/#`,
    'fleets/elsewhere/#',
    `fleets/${fleet}/devices/${device}/telemetry/#`,
    `fleets/${fleet}/groups/not-${group}/broadcast/#`,
  ]
}
