import type { Clock, Millis } from '../base/clock.ts'
import type { Random } from '../base/random.ts'
import { Engine } from '../engine/engine.ts'
import type { PresencePolicy } from '../engine/types.ts'
import { parseRoomId, serverOf } from '../matrix/ids.ts'
import type { Log } from '../ports/log.ts'
import type { Store } from '../ports/store.ts'
import { createLoop, type Loop, type LoopDeps } from '../service/loop.ts'
import { createPersist, loadPresence, type Persist } from '../service/persist.ts'
import { createWakeups, type Wakeups } from '../service/wakeups.ts'
import { BOUNDS } from './bounds.ts'
import type { Config } from './options.ts'

/** The engine and what surrounds it at once. */
export interface PresenceCore {
  readonly loop: Loop
  readonly persist: Persist
  readonly wakeups: Wakeups
  readonly epoch: string
}

/** Restores what was stored; `loop.begin()` is left to whoever knows that the rest is restored and the server listens. */
export async function composePresence(deps: {
  readonly config: Config
  readonly store: Store
  readonly clock: Clock
  readonly random: Random
  readonly log: Log
  readonly destinations: LoopDeps['destinations']
  readonly onSighted: LoopDeps['onSighted']
}): Promise<PresenceCore> {
  const { config, store, clock, log } = deps
  const loaded = await loadPresence(deps)
  const engine = new Engine({ policy: policyOf(config), head: loaded.head })
  const wakeups = createWakeups({
    clock,
    parkedMax: BOUNDS.parkedMax,
    parkedPerDeviceMax: BOUNDS.parkedPerDeviceMax,
  })
  const persist = createPersist({
    store,
    clock,
    log,
    intervalMs: config.presence.persistIntervalMs,
    head: () => engine.head,
  })
  const loop = createLoop({
    ...deps,
    enabled: config.presence.enabled,
    serverName: config.serverName,
    engine,
    persist,
    wakeups,
  })
  loop.exclude(config.presence.excludedRooms.map(parseRoomId).filter((roomId) => roomId !== null))
  loop.restore(loaded.rows)
  for (const { observer, observed, state } of await store.all('presenceGrants'))
    if (state === 'granted') loop.granted(observer, observed)
  // Of users of other servers the grants are there; our side of them are the entries that were accepted.
  for (const { observer, observed, state } of await store.all('presenceList'))
    if (state === 'accepted' && serverOf(observed) !== config.serverName) loop.granted(observer, observed)
  return { loop, persist, wakeups, epoch: loaded.epoch }
}

/** A peer with presence lists may be silent for its long watchdog; this much longer, and it is gone (PRESENCE-SPEC §5.7). */
const LIST_PEER_PATIENCE_MS = 300_000

function policyOf({ presence, federation }: Config): PresencePolicy {
  // Switched off, nobody can come back: who was there is offline at once (PRESENCE-SPEC §4.8).
  const graceMs = (configured: Millis): Millis => (presence.enabled ? configured : 0)
  return {
    idleTimeoutMs: presence.idleTimeoutMs,
    activeWindowMs: presence.lastActiveGranularityMs,
    offlineGraceMs: graceMs(presence.syncOnlineTimeoutMs),
    busyGraceMs: graceMs(presence.busyOnlineTimeoutMs),
    offlineCutoffMs: presence.offlineCutoffMs,
    maxRoomMembers: presence.maxRoomMembers,
    hideFromIgnored: presence.hideFromIgnored,
    pingIntervalMs: federation.enabled && presence.federationOut ? federation.pingIntervalMs : Infinity,
    remoteTimeoutMs: federation.remoteTimeoutMs,
    listPeerTimeoutMs: federation.watchdogLongMs + LIST_PEER_PATIENCE_MS,
  }
}
