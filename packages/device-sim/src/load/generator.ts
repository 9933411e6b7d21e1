import { createSecureContext, type SecureContext } from 'node:tls'
import type { ConnectionEvents } from '../client/connect-options.ts'
import { Connection } from '../client/connection.ts'
import type { Closing, Commands, ConnectOutcome, ConnectSettings, Heard, Identity, Range, Target } from './commands.ts'
import { inParallel } from './in-parallel.ts'

/** Making one costs as much as a handshake: those who connect often keep theirs, idle thousands do not. */
const contextsKept = 1_000

/** The connections of one worker, by the index of their identity. */
export class Generator {
  readonly connections = new Map<number, Connection>()
  readonly closings: Closing[] = []
  readonly heard = new Map<Connection, Heard>()
  readonly received: [number, number] = [0, 0]
  /** What publishing under way wants to know of an acknowledgement. */
  onAcknowledged: ConnectionEvents['acknowledged']
  acknowledged = 0
  sent = 0
  #identities: Identity[] = []
  #target: Target | undefined
  #offset = 0
  #addresses = 1
  readonly #contexts = new Map<number, SecureContext>()
  readonly #sessions = new Map<number, Buffer>()

  use({ target, identities, offset, addresses }: Commands['identities']['input']): void {
    this.#target = target
    this.#identities = identities
    this.#offset = offset
    this.#addresses = addresses
  }

  /** Those of a range that are this worker's. */
  indexesOf({ from, to }: Range): number[] {
    const first = Math.max(from, this.#offset)
    const end = Math.min(to, this.#offset + this.#identities.length)
    return Array.from({ length: Math.max(0, end - first) }, (_, index) => first + index)
  }

  connectionsOf(range: Range): Connection[] {
    return this.indexesOf(range).flatMap((index) => this.connections.get(index) ?? [])
  }

  async connect(settings: ConnectSettings): Promise<ConnectOutcome> {
    const outcome: ConnectOutcome = { connected: 0, resumed: 0, failures: {} }
    await inParallel(this.indexesOf(settings), settings.concurrency, async (index) => {
      const connection = await this.#open(index, settings, outcome)
      if (connection) this.connections.set(index, connection)
    })
    return outcome
  }

  async churn(settings: Commands['churn']['input']): Promise<ConnectOutcome> {
    const outcome: ConnectOutcome = { connected: 0, resumed: 0, failures: {} }
    const indexes = this.indexesOf(settings)
    for (let round = 0; round < settings.rounds; round++)
      await inParallel(indexes, settings.concurrency, async (index) => {
        const connection = await this.#open(index, settings, outcome)
        if (!connection) return
        // The next of the same name must find it gone: a takeover is another piece of work.
        const closed = new Promise((resolve) => connection.socket.once('close', resolve))
        connection.close()
        await closed
      })
    return outcome
  }

  close(range: Range): number {
    const indexes = this.indexesOf(range).filter((index) => this.connections.has(index))
    for (const index of indexes) {
      this.connections.get(index)?.close()
      this.connections.delete(index)
    }
    return indexes.length
  }

  async #open(index: number, settings: ConnectSettings, outcome: ConnectOutcome): Promise<Connection | undefined> {
    const { version = 4, clean = true, keepAliveSeconds = 0, resume = false, timeoutMs = 30_000 } = settings
    const target = this.#target
    const identity = this.#identities[index - this.#offset]
    if (!target || !identity) return undefined
    const session = resume ? this.#sessions.get(index) : undefined
    const { host, port, servername } = target
    try {
      const connection = await Connection.open(
        {
          ...{ host, port, servername, clientId: identity.id, version, clean, keepAliveSeconds, timeoutMs },
          secureContext: this.#contextOf(index, identity, target),
          ...(this.#addresses > 1 ? { localAddress: `127.0.0.${2 + (index % this.#addresses)}` } : {}),
          ...(session ? { session } : {}),
        },
        this.#eventsOf(index, resume),
      )
      outcome.connected++
      if (connection.socket.isSessionReused()) outcome.resumed++
      return connection
    } catch (error) {
      const reason = (error as Error).message
      outcome.failures[reason] = (outcome.failures[reason] ?? 0) + 1
      return undefined
    }
  }

  #eventsOf(index: number, keepSession: boolean): ConnectionEvents {
    return {
      message: (connection, flags) => {
        if ((flags & 0x06) === 0) this.received[0]++
        else this.received[1]++
        this.#note(connection)
      },
      acknowledged: (connection, reasonCode, ms) => {
        this.acknowledged++
        this.onAcknowledged?.(connection, reasonCode, ms)
      },
      closed: ({ clientId: id }, reasonCode) => {
        this.closings.push({ id, at: process.hrtime.bigint(), reasonCode })
        this.connections.delete(index)
      },
      ...(keepSession ? { session: (_connection, session) => void this.#sessions.set(index, session) } : {}),
    }
  }

  #note(connection: Connection): void {
    const heard = this.heard.get(connection)
    if (!heard) this.heard.set(connection, { id: connection.clientId, at: process.hrtime.bigint(), count: 1 })
    else {
      heard.at = process.hrtime.bigint()
      heard.count++
    }
  }

  #contextOf(index: number, { key, cert }: Identity, { ca, groups }: Target): SecureContext {
    const kept = this.#contexts.get(index)
    if (kept) return kept
    const context = createSecureContext({
      ...{ key, cert, ca, minVersion: 'TLSv1.2' },
      ...(groups === undefined ? {} : { ecdhCurve: groups }),
    })
    if (this.#contexts.size < contextsKept) this.#contexts.set(index, context)
    return context
  }
}
