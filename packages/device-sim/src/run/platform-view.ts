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
  /** Of the payload. */
  n: number
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
}

/** What the platform says of the devices of this run: as its operator sees it, over its public interfaces. */
export interface PlatformView {
  devices(): AsyncIterable<DeviceRecord>
  certificates(): AsyncIterable<CertificateRecord>
  telemetry(): AsyncIterable<StoredMessage>
  refusals(): AsyncIterable<RefusalRecord>
  revocations(): readonly RevocationRecord[]
  /** What a service saw delivered live: topic and time of the last message by device, since the run began. */
  heard(): ReadonlyMap<string, { topic: string; at: number }>
}
