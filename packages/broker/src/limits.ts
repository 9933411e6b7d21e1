/** Bounds on what strangers and devices can make this process hold. */
export const defaultLimits = {
  /** TLS handshakes under way; beyond it the oldest is dropped, so that new ones always get their chance. */
  handshakes: 1_000,
  handshakeMs: 10_000,
  connectBytes: 64 * 1_024,
  connectMs: 10_000,
  /** Peers whose certificate is not ours, while they wait for their refusal. */
  strangers: 256,
  strangerBytes: 2 * 1_024,
  strangerMs: 3_000,
  packetBytes: 256 * 1_024,
  /** A client that reads nothing for this long holds up those who publish to it. */
  drainMs: 5_000,
  receiveMaximum: 256,
  sessionExpirySeconds: 7 * 86_400,
  queuedMessages: 1_000,
  queuedBytes: 4 * 1_024 * 1_024,
  /** Of queued messages, all together; beyond it they are read from disk when they are sent. */
  queueMemoryBytes: 64 * 1_024 * 1_024,
  /** Of each fleet. */
  retainedMessages: 50_000,
  retainedBytes: 64 * 1_024 * 1_024,
  /** With less room on the disk nothing is added to sessions; acknowledgements, which free some, are still written. */
  diskReserveBytes: 64 * 1_024 * 1_024,
  /** Between two renewals that a device asks for over MQTT. */
  renewalEveryMs: 5_000,
  /** For how long the answer to one is waited for. */
  renewalWaitMs: 60_000,
  leaseMs: 60_000,
  /** The longest a change waits when its notification is lost. */
  pollMs: 3_000,
}
export type Limits = Readonly<typeof defaultLimits>
