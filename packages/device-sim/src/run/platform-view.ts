/** A receipt of a revocation: epoch milliseconds. */
export interface RevocationRecord {
  device: string
  revocation: string
  /** When the API had answered. */
  askedAt: number
  /** The last of the nodes' receipts, by their own clocks; undefined while one is missing. */
  completeAt: number | undefined
}

export interface StoredMessage {
  device: string
  topic: string
  /** Of the payload; undefined where it is not a counted message of this run. */
  n: number | undefined
  receivedAt: number
  /** The platform marks it as possibly the same as an earlier one. */
  duplicate: boolean
}

export interface CertificateRecord {
  serial: string
  device: string
  state: string
  notAfter: number
}

export interface RefusalRecord {
  /** Empty where the platform has more refusals than it keeps by name. */
  device: string
  code: string
  count: number
  /** What a person may do about it. */
  advice: string
}

export interface DeviceRecord {
  id: string
  state: string
  connected: boolean
  /** Epoch milliseconds: until then its session is kept although it is away; undefined where none is. */
  sessionEndsAt: number | undefined
}

/** One that the run has made. */
export interface ClaimRecord {
  id: string
  /** How many keys may still use it; 0 where it has ended. */
  left: number
}

/** What the platform says of the devices of this run: as its operator sees it, over its public interfaces. */
export interface PlatformView {
  readonly fleet: string
  devices(): AsyncIterable<DeviceRecord>
  certificates(): AsyncIterable<CertificateRecord>
  /** In one look: between the pages of a list the world goes on. */
  certificatesOf(device: string): Promise<CertificateRecord[]>
  /** By device, and of each in the order in which it was stored. */
  telemetry(): AsyncIterable<StoredMessage>
  refusals(): AsyncIterable<RefusalRecord>
  claims(): AsyncIterable<ClaimRecord>
  revocations(): readonly RevocationRecord[]
  /** What a service saw delivered live: topic and time of the last message by device, since the run began. */
  heard(): ReadonlyMap<string, { topic: string; at: number }>
}
