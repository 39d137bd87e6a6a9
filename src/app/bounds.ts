/**
 * Bounds of a whole server: how much is kept in memory and how much may wait. They are not options, because nobody has needed to
 * set them; being full has a meaning where each is used.
 */
export const BOUNDS = {
  /** Keys each rate limit remembers. */
  rateLimitKeysMax: 100_000,
  parkedMax: 100_000,
  parkedPerDeviceMax: 3,
  /** No long poll is longer (`POLL_MAX`). */
  pollMaxMs: 300_000,
  /** Password hashes share Node's thread pool with DNS: few at once. */
  passwordsParallelMax: 2,
  passwordsWaitingMax: 100,
  uiaSessionsMax: 10_000,
  uiaTtlMs: 86_400_000,
  registrationNoncesMax: 1_000,
  registrationNonceTtlMs: 60_000,
  requestersInMemoryMax: 100_000,
  profilesInMemoryMax: 100_000,
  /** Of users of other servers whom no room names. */
  remoteProfilesMax: 20_000,
  /** Whole profiles of users of other servers, as clients asked for them. */
  remoteFieldsMax: 1_000,
  /** Servers that speak presence lists. */
  listPeersMax: 10_000,
  /** What they asked by `poll` and `unpoll`, of all users together. */
  pollSubscriptionsMax: 100_000,
  /** Users of other servers whose push came before anybody could see them. */
  earlyPushesMax: 10_000,
  usersInMemoryMax: 20_000,
  roomsInMemoryMax: 1_000,
  filtersInMemoryMax: 10_000,
  /** What a crash may lose of `last_seen_ts`; also the only write that an idle, polling device causes. */
  lastSeenFlushMs: 3_600_000,
  lastSeenDevicesMax: 10_000,
  txnTtlMs: 86_400_000,
  queuePerRoomMax: 200,
} as const

/** argon2id as OWASP's first choice: 19 MiB, two passes. */
export const PASSWORD_COSTS = { memoryKiB: 19_456, passes: 2 } as const
