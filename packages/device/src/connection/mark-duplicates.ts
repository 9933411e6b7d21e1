import type { MqttClient, Packet } from 'mqtt'

/**
 * [MQTT-3.3.1-1] A message that is sent again says so. mqtt.js leaves that out, and nobody behind it could tell one message from two.
 */
export function markDuplicates(client: MqttClient): void {
  const sent = new Set<number>()
  client.on('packetsend', (packet: Packet) => {
    if (packet.cmd !== 'publish' || packet.qos === 0 || packet.messageId === undefined) return
    // The packet is written after this.
    if (sent.has(packet.messageId)) packet.dup = true
    sent.add(packet.messageId)
  })
  client.on('packetreceive', ({ cmd, messageId }: Packet) => {
    if (messageId !== undefined && (cmd === 'puback' || cmd === 'pubrec' || cmd === 'pubcomp')) sent.delete(messageId)
  })
}
