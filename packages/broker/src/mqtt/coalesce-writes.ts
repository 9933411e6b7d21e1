import type { Duplex } from 'node:stream'

let corked: Duplex[] = []

function release() {
  const all = corked
  corked = []
  for (const socket of all) socket.uncork()
}

/** One function for all sockets. */
function coalesced(this: Duplex, ...args: Parameters<Duplex['write']>): boolean {
  if (this.writableCorked === 0) {
    if (corked.length === 0) setImmediate(release)
    this.cork()
    corked.push(this)
  }
  return (Object.getPrototypeOf(this) as Duplex).write.apply(this, args)
}

/** Joins all writes of one turn of the event loop into one TLS record and one system call. */
export function coalesceWrites(socket: Duplex): void {
  socket.write = coalesced as Duplex['write']
}
