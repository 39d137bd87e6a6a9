import type { Millis } from '../base/clock.ts'
import { OFFLINE_FACE, type Face } from './notify.ts'
import type { PresenceRecord, RemotePresence, ServerNum } from './types.ts'

/** A server other than this one, as far as its users' presence depends on it. */
export interface RemoteServer {
  readonly num: ServerNum
  /** Its users are offline when nothing was heard of them for this long. */
  timeoutMs: Millis
}

/**
 * A user of another server: what that server said last, until it is too old to be believed (PRESENCE-SPEC §5.7). Time and text
 * outlive that; the state does not.
 */
export class RemoteUser {
  readonly #server: RemoteServer
  #told: Face = OFFLINE_FACE
  #refreshedTs: Millis = 0

  /** What others were last told. */
  heard: Face = OFFLINE_FACE
  /** What was last given out to be stored. */
  written: PresenceRecord | null = null

  constructor(server: RemoteServer) {
    this.#server = server
  }

  /** As stored, with its original age: the expiry runs on over a restart (PRESENCE-SPEC §4.8). */
  restore(record: PresenceRecord): void {
    const { state, statusMsg, lastActiveTs, currentlyActive } = record
    this.#told = { state, statusMsg, lastActiveTs, currentlyActive }
    this.#refreshedTs = record.refreshedTs ?? 0
    this.heard = this.#told
    this.written = record
  }

  /** A push replaces everything but a time that it does not give. */
  push(presence: RemotePresence, now: Millis): void {
    this.#told = { ...presence, lastActiveTs: presence.lastActiveTs ?? this.#told.lastActiveTs }
    this.#refreshedTs = now
  }

  passTime(now: Millis): void {
    if (now >= this.nextChangeAt()) this.#told = { ...this.#told, state: 'offline', currentlyActive: false }
  }

  face(): Face {
    return this.#told
  }

  record(): PresenceRecord {
    return { ...this.#told, hidden: false, hiddenBy: null, refreshedTs: this.#refreshedTs }
  }

  /** When the state expires; Infinity if there is none to expire. */
  nextChangeAt(): Millis {
    return this.#told.state === 'offline' ? Infinity : this.#refreshedTs + this.#server.timeoutMs
  }

  /** Everything, for digests. */
  toJSON(): unknown {
    const { heard, written } = this
    return { told: this.#told, refreshedTs: this.#refreshedTs, heard, written }
  }
}
