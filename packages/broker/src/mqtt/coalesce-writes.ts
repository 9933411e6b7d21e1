import type { Socket } from 'node:net'

/** Joins all writes of one turn of the event loop into one TLS record and one system call. */
export function coalesceWrites(socket: Socket): void {
  const write = socket.write
  let corked = false
  const release = () => {
    corked = false
    socket.uncork()
  }
  socket.write = function coalesced(this: Socket, ...args: Parameters<Socket['write']>) {
    if (!corked) {
      corked = true
      socket.cork()
      setImmediate(release)
    }
    return write.apply(this, args)
  } as Socket['write']
}
