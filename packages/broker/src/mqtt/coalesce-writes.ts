import type { Duplex } from 'node:stream'

/** Joins all writes of one turn of the event loop into one TLS record and one system call. */
export function coalesceWrites(socket: Duplex): void {
  const write = socket.write
  let corked = false
  const release = () => {
    corked = false
    socket.uncork()
  }
  socket.write = function coalesced(this: Duplex, ...args: Parameters<Duplex['write']>) {
    if (!corked) {
      corked = true
      socket.cork()
      setImmediate(release)
    }
    return write.apply(this, args)
  } as Duplex['write']
}
