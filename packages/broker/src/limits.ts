/** Bounds on what strangers and devices can make this process hold. */
export const defaultLimits = {
  /** Connections whose TLS handshake has not begun; beyond it the address with the most loses its oldest. */
  arrivals: 8_000,
  /** TLS handshakes under way; the others wait for their turn. */
  handshakes: 1_000,
  /** From the accept to the end of the handshake, whatever comes in between. */
  handshakeMs: 10_000,
  /** Addresses, and refused certificates, whose behaviour is remembered. */
  rememberedAddresses: 50_000,
  rememberedCertificates: 10_000,
  /** Handshakes that an address may waste at once; some come back every second. */
  wastedHandshakes: 50,
  /** Connections of certificates that were refused only just now, while they wait to be judged again; the longest that one does. */
  detained: 1_000,
  detainedOfOne: 8,
  detainedMs: 30_000,
  /** Those that wait because of what their address has done: beyond it they are turned away, where nobody good is among them. */
  parkedOfBad: 100,
  /** Connections with a good certificate whose CONNECT has not come: beyond it the certificate with the most loses its oldest. */
  openings: 4_000,
  connectBytes: 64 * 1_024,
  connectMs: 10_000,
  /** Peers whose certificate is not ours, while they wait for their refusal. */
  strangers: 256,
  strangerBytes: 2 * 1_024,
  strangerMs: 3_000,
  packetBytes: 256 * 1_024,
  /** From the first byte of a packet to its last. */
  packetMs: 120_000,
  /** A client that reads nothing for this long of what waits for it is cut off. */
  drainMs: 5_000,
  /** Messages of one client that are under way at once, and their bytes; beyond it the client is not read. */
  receiveMaximum: 256,
  inFlightBytes: 1_048_576,
  topicAliases: 32,
  /** Beyond it the client is not read either: more than messages to it may take (`outboundBytes`, and a packet), so these are answers. */
  unreadBytes: 768 * 1_024,
  /** QoS 1 and 2 messages under way to a client at once; MQTT 5 clients may ask for fewer. */
  sendMaximum: 100,
  /** Above what waits in a connection QoS 0 messages are dropped, and others wait in their queue. */
  outboundBytes: 1_024 * 1_024,
  /** The longest keep alive of an MQTT 5 client. */
  keepAliveSeconds: 1_800,
  /** For how long an MQTT 3.1.1 client without keep alive may be silent. */
  silenceSeconds: 86_400,
  /** Between two reports on the `$SYS/broker` topics. */
  reportMs: 10_000,
  sessionExpirySeconds: 7 * 86_400,
  queuedMessages: 1_000,
  queuedBytes: 4 * 1_024 * 1_024,
  /** For how long after a crash of the node a device may come back before its will is published. */
  willGraceMs: 30_000,
  /** Of queued messages, all together; beyond it they are read from disk when they are sent. */
  queueMemoryBytes: 64 * 1_024 * 1_024,
  /** Of each fleet. */
  retainedMessages: 50_000,
  retainedBytes: 64 * 1_024 * 1_024,
  /** With less room on the disk nothing is added to sessions; acknowledgements, which free some, are still written. */
  diskReserveBytes: 64 * 1_024 * 1_024,
  /** How long a connection has to show that it is alive when another comes with its certificate. */
  cloneAskMs: 1_500,
  /** Between two renewals that a device asks for over MQTT. */
  renewalEveryMs: 5_000,
  /** For how long the answer to one is waited for. */
  renewalWaitMs: 60_000,
  /** For how long this node serves without the registry. */
  freshnessMs: 300_000,
  /** While the database is away: for how long a message waits before its client is told. */
  holdMs: 10_000,
  /** Clients that are told so, or are to send again what was not kept: each of them comes back. */
  relievedPerSecond: 40,
  /** The longest a statement may take. */
  databaseMs: 5_000,
  /** A TLS ticket resumes in the period that it was given in and in the next. */
  ticketPeriodMs: 12 * 3_600_000,
  /** The longest a change waits when its notification is lost. */
  pollMs: 3_000,
}
export type Limits = Readonly<typeof defaultLimits>
