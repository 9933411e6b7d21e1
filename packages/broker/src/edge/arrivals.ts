import type { Socket } from 'node:net'
import { MusterError } from '@muster/contracts'
import type { Limits } from '../limits.ts'
import { addressGroup, readAddress } from './address.ts'
import type { AddressStanding } from './address-standing.ts'
import { Crowd } from './crowd.ts'
import { judgeStart } from './first-bytes.ts'
import { Parked } from './parked.ts'
import { TurnQueue } from './turn-queue.ts'

/** A connection from its accept to the end of its TLS handshake. */
export interface Arrival {
  readonly socket: Socket
  readonly protocol: 'mqtt' | 'websocket'
  /** It speaks for others, in a PROXY header. */
  readonly isBalancer: boolean
  /** Whoever is behind a balancer that we believe, once that has said so. */
  address: string
  group: string
  stage: 'starting' | 'waiting' | 'handshake' | 'over'
  /** What has come so far. */
  held: Buffer | undefined
  beganAt: number
  readonly endsAt: number
}

/** Why a connection went no further, before anything was known of its certificate. */
export type DropReason = (typeof dropReasons)[number]
export const dropReasons = [
  'address-shut',
  'crowded-out',
  'too-slow',
  'closed-early',
  'handshake-failed',
  'not-tls',
] as const
/** Those that are held against the address: somebody else's, or worth nothing, are not. */
const counted: readonly DropReason[] = ['too-slow', 'handshake-failed']

export interface ArrivalsOptions {
  limits: Limits
  standing: AddressStanding
  /** Whose PROXY header counts, and must come. */
  balancers: { has(address: string): boolean }
  /** The TLS handshake may begin. */
  begin(arrival: Arrival): void
  dropped(why: DropReason): void
  refused(refusal: MusterError, address: string): void
}

export interface Arrivals extends Disposable {
  enter(socket: Socket, protocol: Arrival['protocol']): void
  secured(arrival: Arrival): void
  counts(): { starting: number; waiting: number; handshakes: number; perTurn: number }
}

/** Handshakes that one turn of the event loop begins: as many as leave the turn short. */
const turns = { most: 16, shortMs: 10, longMs: 40 }
/** Longer than a round trip to anywhere: a handshake that takes it may be dropped when others wait. */
const stalledMs = 2_000
/** How often those that are parked are looked through. */
const reviewMs = 50
const ignore = () => {}
const tooSlow = ({ stage, held }: Pick<Arrival, 'stage' | 'held'>) => {
  const so =
    stage === 'starting'
      ? held
        ? 'only a part of its first message came'
        : 'nothing was sent'
      : 'it was left unfinished'
  return new MusterError('tls-handshake-timeout', `no TLS handshake in time: ${so}`)
}

/**
 * What stands before TLS. A connection costs next to nothing until its ClientHello is there; then it waits for its turn,
 * so that a storm of handshakes delays handshakes and nobody else.
 */
export function createArrivals(options: ArrivalsOptions): Arrivals {
  const { limits, standing, balancers, begin } = options
  const early = new Crowd<Arrival>()
  const underWay = new Crowd<Arrival>()
  const queue = new TurnQueue<Arrival>(3)
  const parked = new Parked<Arrival>()
  /** In the order of their ends. */
  const unfinished = new Set<Arrival>()
  let perTurn = turns.most
  let begun = 0
  let turnEndsAt: NodeJS.Immediate | undefined
  let turnBeganAt = 0

  function forget(arrival: Arrival) {
    if (arrival.stage === 'waiting') {
      queue.delete(arrival)
      parked.delete(arrival)
    }
    arrival.stage = 'over'
    unfinished.delete(arrival)
    early.delete(arrival)
    arrival.held = undefined
    if (underWay.delete(arrival) && queue.size + parked.size > 0) endTurn()
  }

  function drop(arrival: Arrival, why: DropReason) {
    const { stage, group, address } = arrival
    const refusal = why === 'too-slow' ? tooSlow(arrival) : undefined
    forget(arrival)
    options.dropped(why)
    if (refusal) options.refused(refusal, address)
    if (why === 'not-tls') standing.bothered(group)
    else if (counted.includes(why)) standing[stage === 'handshake' ? 'failed' : 'stalled'](group)
    // A reset leaves nothing behind in the kernel either.
    if (!arrival.socket.destroyed) arrival.socket.resetAndDestroy()
  }

  function read(arrival: Arrival) {
    const { socket } = arrival
    const chunk: Buffer | null = socket.read()
    if (!chunk) return
    const bytes = arrival.held ? Buffer.concat([arrival.held, chunk]) : chunk
    arrival.held = bytes
    try {
      const start = judgeStart(bytes, arrival)
      if (!start) return
      arrival.held = undefined
      socket.removeAllListeners('readable')
      socket.unshift(start.skip > 0 ? bytes.subarray(start.skip) : bytes)
      if (start.address) standFor(arrival, start.address)
      if (isTurnedAway(arrival.group)) drop(arrival, 'address-shut')
      else wait(arrival)
    } catch (error) {
      if (!(error instanceof MusterError)) throw error
      options.refused(error, arrival.address)
      drop(arrival, 'not-tls')
    }
  }

  function standFor(arrival: Arrival, address: string) {
    early.delete(arrival)
    arrival.address = address
    arrival.group = addressGroup(address)
    early.add(arrival)
  }

  const isTurnedAway = (group: string) => parked.countOf(group) >= limits.parkedOfBad && standing.isBad(group)

  function wait(arrival: Arrival) {
    arrival.stage = 'waiting'
    // Behind those of its address that are parked already.
    if (parked.countOf(arrival.group) > 0) return parked.add(arrival)
    queue.push(arrival, standing.rank(arrival.group))
    advance()
  }

  /** An address that has wasted handshakes has few more of them, and those who come from there wait: the honest among them too, a little. */
  const roomFor = (group: string) =>
    standing.room(group, { underWay: underWay.countOf(group), waiting: parked.countOf(group) })

  function unpark() {
    if (parked.size === 0) return
    for (const group of parked.groups)
      for (let room = Math.min(roomFor(group), parked.countOf(group)); room > 0; room--) {
        const arrival = parked.take(group)
        if (arrival) queue.push(arrival, 2)
      }
    advance()
  }

  function advance() {
    while (begun < perTurn && queue.size > 0) {
      if (underWay.size >= limits.handshakes && !makeRoom()) break
      const arrival = queue.take()
      if (!arrival) break
      if (roomFor(arrival.group) < 1) {
        parked.add(arrival)
        continue
      }
      early.delete(arrival)
      underWay.add(arrival)
      arrival.stage = 'handshake'
      arrival.beganAt = performance.now()
      begun += 1
      begin(arrival)
    }
    if (begun > 0) endTurn()
  }

  /** A handshake that its client lets hang must not keep others from theirs. */
  function makeRoom(): boolean {
    const greediest = underWay.greediest()
    if (!greediest || performance.now() - greediest.beganAt < stalledMs) return false
    drop(greediest, 'crowded-out')
    return true
  }

  function endTurn() {
    turnBeganAt ||= performance.now()
    turnEndsAt ??= setImmediate(() => {
      const tookMs = performance.now() - turnBeganAt
      if (tookMs > turns.longMs) perTurn = Math.max(1, perTurn >> 1)
      else if (tookMs < turns.shortMs) perTurn = Math.min(turns.most, perTurn + 1)
      turnEndsAt = undefined
      turnBeganAt = 0
      begun = 0
      unpark()
      advance()
    })
  }

  function sweep() {
    const at = performance.now()
    for (const arrival of unfinished) {
      if (arrival.endsAt > at) break
      drop(arrival, parked.has(arrival) ? 'address-shut' : 'too-slow')
    }
    advance()
  }
  const sweeping = setInterval(sweep, Math.min(500, limits.handshakeMs / 4)).unref()
  const reviewing = setInterval(unpark, reviewMs).unref()

  return {
    enter(socket, protocol) {
      socket.on('error', ignore)
      const address = readAddress(socket)
      const group = addressGroup(address)
      const endsAt = performance.now() + limits.handshakeMs
      const isBalancer = balancers.has(address)
      const begins = { stage: 'starting', held: undefined, beganAt: 0, endsAt } as const
      const arrival: Arrival = { socket, protocol, isBalancer, address, group, ...begins }
      if (!isBalancer && isTurnedAway(group)) return drop(arrival, 'address-shut')
      early.add(arrival)
      unfinished.add(arrival)
      socket.on('readable', () => read(arrival))
      socket.on('close', () => {
        const silent = arrival.stage === 'starting' && !arrival.held
        if (arrival.stage !== 'over') drop(arrival, silent ? 'closed-early' : 'handshake-failed')
      })
      const greediest = early.size > limits.arrivals ? early.greediest() : undefined
      if (greediest) drop(greediest, 'crowded-out')
    },

    secured: forget,

    counts: () => ({
      starting: early.size - queue.size - parked.size,
      waiting: queue.size + parked.size,
      handshakes: underWay.size,
      perTurn,
    }),

    [Symbol.dispose]() {
      clearInterval(sweeping)
      clearInterval(reviewing)
      clearImmediate(turnEndsAt)
    },
  }
}
