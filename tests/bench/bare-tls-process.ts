/** A process of `bare-tls.ts`: TLS as the broker has it, and the shortest CONNACK to whoever sends anything. */
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { createServer } from 'node:tls'
import type { BareTlsOptions } from './bare-tls.ts'

const connack = Buffer.from([0x20, 2, 0, 0])
const [{ ca, key, cert }] = (await once(process, 'message')) as [BareTlsOptions]

const server = createServer({ ca, key, cert, requestCert: true, noDelay: true }, (socket) => {
  socket.on('error', () => {})
  socket.on('data', (bytes) => {
    // The first packet is the CONNECT; whatever else comes is read and forgotten.
    if (bytes[0] === 0x10) socket.write(connack)
  })
})
server.listen(0, '127.0.0.1', () => process.send?.((server.address() as AddressInfo).port))
process.on('SIGTERM', () => process.exit())
