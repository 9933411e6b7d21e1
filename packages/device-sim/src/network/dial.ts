import { connect, type Socket } from 'node:net'
import type { DialTarget } from '@muster/device'
import { createRandom } from '../random.ts'
import type { Network } from '../scenario/device-class.ts'
import { Line, type Wiretap } from './line.ts'
import { createSchedule } from './schedule.ts'

export interface NetworkOptions {
  network: Network
  /** Selects the random numbers of this device. */
  seed: (string | number)[]
  /** What is done with the bytes of a connection. */
  tap?: ((target: DialTarget) => Wiretap | undefined) | undefined
  signal: AbortSignal
}

export interface DeviceNetwork {
  dial(target: DialTarget): Line
  /** The device is off: all that it has open falls silent. */
  goDark(): void
  /** From now on no connection is cut any more. */
  calm(): void
}

/** The way of one device into the world. */
export function createNetwork({ network, seed, tap, signal }: NetworkOptions): DeviceNetwork {
  const lines = new Set<Line>()
  let dialled = 0
  const calm = new AbortController()
  const release = () => {
    for (const line of lines) line.release()
  }
  signal.addEventListener('abort', release, { once: true })
  return {
    dial(target) {
      dialled += 1
      const random = createRandom(...seed, dialled)
      const now = performance.now()
      const socket = connect(target.port, target.host)
      const line = new Line(socket, {
        up: createSchedule(network, random, now),
        down: createSchedule(network, random, now),
        tap: tap?.(target),
      })
      lines.add(line)
      socket.on('close', () => lines.delete(line))
      if (!calm.signal.aborted) cutLater(line, socket, { network, random, calm: calm.signal })
      if (signal.aborted) line.release()
      return line
    },
    goDark() {
      for (const line of lines) line.goDark()
    },
    calm: () => calm.abort(),
  }
}

interface Cuts {
  network: Network
  random: () => number
  calm: AbortSignal
}

/** Cuts come at any time, whatever happened before: exponentially distributed. */
function cutLater(line: Line, socket: Socket, { network, random, calm }: Cuts): void {
  if (network.disconnectEvery === undefined) return
  const afterMs = -Math.log(1 - random()) * network.disconnectEvery
  const timer = setTimeout(() => line.goDark(), Math.min(afterMs, 2 ** 31 - 1)).unref()
  const spare = () => clearTimeout(timer)
  calm.addEventListener('abort', spare, { once: true })
  socket.on('close', () => {
    spare()
    calm.removeEventListener('abort', spare)
  })
}
