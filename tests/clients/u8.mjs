// One life of a device, by u8-mqtt (which has no QoS 2); prints a line for each thing that happened.
// node u8.mjs <host> <port> <ca> <cert> <key> <device> <4|5> <first|again>
import { readFileSync } from 'node:fs'
import { mqtt_v4, mqtt_v5 } from 'u8-mqtt'

const [host, port, ca, cert, key, device, level, visit] = process.argv.slice(2)
const read = (path) => readFileSync(path, 'utf8')
const of = `fleets/default/devices/${device}`
const five = level === '5'

const client = (five ? mqtt_v5 : mqtt_v4)({ log_conn() {} })
const command = new Promise((resolve) => {
  client.on_topic(`${of}/commands/:name`, (packet) => resolve(packet.utf8()))
})
client.with_tls(Number(port), host, { ca: read(ca), cert: read(cert), key: read(key) })
const [connack] = await client.connect({
  client_id: device,
  flags: { clean_start: false },
  ...(five ? { props: { session_expiry_interval: 3_600 } } : {}),
})
console.log('connected', Number(connack.reason), connack.flags.session_present ? 1 : 0)
if (visit === 'first') {
  await client.post(`${of}/telemetry/u8`, 'qos 0')
  console.log('published 0')
  await client.send(`${of}/telemetry/u8`, 'qos 1')
  console.log('published 1')
  const granted = async (filter) => {
    const [suback] = await client.subscribe({ topics: [{ topic: filter, opts: { qos: 1 } }] })
    return Number(suback.answers[0])
  }
  console.log('refused', await granted('fleets/default/devices/somebody-else/commands/#'))
  console.log('granted', await granted(`${of}/commands/#`))
}
console.log('command', await command)
// Its answer comes after the command's acknowledgement has arrived.
await client.ping()
await client.disconnect()
process.exit()
