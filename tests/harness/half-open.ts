// A process of its own, for the files that its connections take: opens them to `port` of this machine, silent or with the
// beginning of a ClientHello, from 250 addresses of 127.<network>, says when all have begun, and holds them for as long as whoever started it is there.
import { connect } from 'node:net'

process.once('disconnect', () => process.exit())
const [port = 0, count = 0, network = 0] = process.argv.slice(2).map(Number)
const starts = [Buffer.alloc(0), Buffer.from('16', 'hex'), Buffer.from('16030106', 'hex')]

/** Over when it is connected, or was cut already. */
function open(index: number): Promise<unknown> {
  const localAddress = `127.${network}.${1 + (index % 5)}.${1 + (Math.floor(index / 500) % 50)}`
  const socket = connect({ host: '127.0.0.1', port, localAddress }).resume()
  socket.write(starts[index % starts.length] ?? '')
  return new Promise((resolve) => socket.on('error', resolve).once('close', resolve).once('connect', resolve))
}

for (let begun = 0; begun < count; begun += 500)
  await Promise.all(Array.from({ length: Math.min(500, count - begun) }, (_, index) => open(begun + index)))
process.stdout.write('all begun\n')
