import type { Enrolment } from '@muster/contracts'
import type { MqttClient } from 'mqtt'
import type { Life } from './simulate-device.ts'

const maxEcho = 1_024

/** Subscribes to all that the policy grants, and answers `…/commands/<name>` on `…/events/commands/<name>`. */
export function answerCommands({ statistics, emit, device }: Life, client: MqttClient, enrolment: Enrolment): void {
  const base = `fleets/${enrolment.device.fleet}/devices/${enrolment.device.id}`
  const commands = `${base}/commands/`
  client.on('message', (topic, payload) => {
    if (!topic.startsWith(commands)) return
    const command = topic.slice(commands.length)
    statistics.counts.commands += 1
    emit({ type: 'command', device, topic })
    const answer = { at: new Date().toISOString(), command, status: 'done', echo: payload.toString('utf8', 0, maxEcho) }
    client.publish(`${base}/events/commands/${command}`, JSON.stringify(answer), { qos: 1 }, () => undefined)
  })
  if (enrolment.mqtt.subscribe.length === 0) return
  client.subscribe(enrolment.mqtt.subscribe, { qos: 1 }, (error) => {
    if (error) statistics.fail('subscribe', 'subscribe-denied')
  })
}
