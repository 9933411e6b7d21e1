import type { Network } from '../scenario/device-class.ts'

/** What a packet carries; TCP's and TLS's own overhead is not counted. */
export const packetBytes = 1_400
const leastTimeoutMs = 200
const mostLosses = 8

/** When a packet leaves, and when it is there: milliseconds of the same clock as `now`. */
export type Schedule = (now: number, bytes: number) => { departsAt: number; arrivesAt: number }

/** One direction of a connection that was dialled at `openedAt`: nothing overtakes, and all of it is paced by the bandwidth. */
export function createSchedule(network: Network, random: () => number, openedAt: number): Schedule {
  const { latency = 0, jitter = 0, loss = 0, bandwidth } = network
  // TCP's own handshake is a journey there and back.
  let freeAt = openedAt + 2 * latency
  let lastArrival = 0
  return (now, bytes) => {
    const departsAt = Math.max(now, freeAt) + (bandwidth === undefined ? 0 : (bytes * 1_000) / bandwidth)
    freeAt = departsAt
    const arrival = departsAt + latency + jitter * random() + retransmissionMs(loss, 2 * (latency + jitter), random)
    lastArrival = Math.max(lastArrival, arrival)
    return { departsAt, arrivesAt: lastArrival }
  }
}

/** RFC 6298: a timeout, doubled each time that the packet is lost again. */
function retransmissionMs(loss: number, roundTripMs: number, random: () => number): number {
  let timeoutMs = Math.max(leastTimeoutMs, 2 * roundTripMs)
  let waited = 0
  for (let losses = 0; losses < mostLosses && random() < loss; losses += 1) {
    waited += timeoutMs
    timeoutMs *= 2
  }
  return waited
}
