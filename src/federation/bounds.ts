/**
 * Bounds of what goes to and comes from other servers. They are not options, because nobody has needed to set them; being full has a
 * meaning where each is used.
 */
type Bounds<Values> = { readonly [Name in keyof Values]: number }

export type TransportBounds = Bounds<typeof TRANSPORT_BOUNDS>
export type ResolverBounds = Bounds<typeof RESOLVER_BOUNDS>
export type KeyBounds = Bounds<typeof KEY_BOUNDS>
export type OutboundBounds = Bounds<typeof OUTBOUND_BOUNDS>

export const TRANSPORT_BOUNDS = {
  /** Servers to which connections are kept; beyond, those that were used longest ago are closed. */
  poolsMax: 1_000,
  connectionsPerServerMax: 3,
  /** Requests on their way, all servers together. */
  exchangesMax: 1_000,
  /** One address of a server has this long to accept a connection, greeting included. */
  connectMs: 10_000,
  /** Addresses of one server that are tried. */
  targetsMax: 4,
  /** Idle connections; a server's own word on that counts, up to the maximum. Below what servers commonly grant. */
  keepAliveMs: 4_000,
  keepAliveMaxMs: 60_000,
  responseBytesMax: 262_144,
} as const

export const RESOLVER_BOUNDS = {
  /** Servers whose addresses, and whose `.well-known`, are remembered. */
  serversMax: 10_000,
  /** Look-ups that run at once; beyond, the answer is "nowhere" without a look. */
  lookupsMax: 1_000,
  addressTtlMs: 600_000,
  /** How long an address lives that was found while DNS did not answer. */
  doubtfulTtlMs: 60_000,
  wellKnownTtlMs: 86_400_000,
  wellKnownTtlMinMs: 60_000,
  wellKnownTtlMaxMs: 172_800_000,
  /** Errors are remembered for a minute first, doubled up to an hour (PRESENCE-SPEC §5.1). */
  errorTtlMinMs: 60_000,
  errorTtlMaxMs: 3_600_000,
  wellKnownBytesMax: 51_200,
  wellKnownTimeoutMs: 10_000,
  redirectsMax: 5,
} as const

export const KEY_BOUNDS = {
  /** Servers whose keys are in memory. */
  serversMax: 10_000,
  /** No key is believed for longer than this after it was fetched (§5.2). */
  believedMs: 7 * 86_400_000,
  /** A server that said its keys is not asked again for this long, whatever key somebody names. */
  askedAgainMs: 60_000,
  /** One that did not answer is asked again after this, doubled up to the second. */
  retryMinMs: 5_000,
  retryMaxMs: 300_000,
  /** Keys are fetched in two lanes, so that nobody can hold up the servers that we know. */
  knownParallelMax: 50,
  strangersParallelMax: 50,
  waitingMax: 1_000,
  fetchTimeoutMs: 15_000,
} as const

export const INBOUND_BOUNDS = {
  /** Transactions of one server that wait for its others; a server has one under way (PRESENCE-SPEC §5.3). */
  waitingPerOriginMax: 10,
  /** Answers kept for repeats: of one server the newest, for a day; beyond the servers those that were silent longest. */
  answersPerOriginMax: 100,
  originsMax: 10_000,
  answersTtlMs: 86_400_000,
  sweepIntervalMs: 3_600_000,
  txnIdBytesMax: 255,
} as const

export const OUTBOUND_BOUNDS = {
  /** Servers for which something waits, is under way, or is to be remembered. */
  destinationsMax: 10_000,
  /** Transactions under way: to servers that answered their last one, and to all others. */
  provenParallelMax: 200,
  unprovenParallelMax: 100,
  /** Servers remembered for having answered. */
  provenMax: 10_000,
  /** Bytes of transactions that wait to be sent again, all servers together. */
  heldBytesMax: 67_108_864,
  /** Users of whom is remembered that a failing server missed something; beyond, it missed everybody. */
  missedMax: 1_000,
  /** Between two EDUs with polls for one server, unless it is something else's turn anyway. */
  pollGapMs: 1_000,
  /** Over this time the work that was left by the last run is begun. */
  startSpreadMs: 10_000,
  /** What is under way when the server stops has this long to end. */
  closeMs: 2_000,
} as const
