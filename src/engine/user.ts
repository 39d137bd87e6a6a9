import type { Millis } from '../base/clock.ts'
import { aggregate, higher } from './aggregate.ts'
import type { StreamPresence } from './commands.ts'
import {
  acted,
  nextChangeAt,
  reported,
  settled,
  streamClosed,
  streamOpened,
  UNKNOWN_DEVICE,
} from './device.ts'
import { isCurrentlyActive, OFFLINE_FACE, type Face } from './notify.ts'
import type {
  DeviceNum,
  DevicePresence,
  PresencePolicy,
  PresenceRecord,
  PresenceState,
  StatusChange,
} from './types.ts'

/** What the user's own devices are shown. */
export type OwnFace = Face & { readonly hidden: boolean }

/** One user: the devices, what belongs to the user alone (text, hiding, last activity), and what was told of it. */
export class User {
  readonly #policy: PresencePolicy
  readonly #devices = new Map<DeviceNum, DevicePresence>()
  #statusMsg: string | null = null
  #lastActiveTs: Millis | null = null
  #isHidden = false
  #hiddenBy: DeviceNum | null = null
  /** A state from before the restart, which stands for devices that have not come back yet (decision 0007). */
  #restored: { readonly state: PresenceState; readonly untilTs: Millis } | null = null
  #listeningStreams = 0
  #lastListenedTs: Millis | null = null

  /** What others were last told. */
  heard: Face = OFFLINE_FACE
  /** What the user's own devices were last told. */
  heardOwn: OwnFace = { ...OFFLINE_FACE, hidden: false }
  /** What was last given out to be stored. */
  written: PresenceRecord | null = null

  constructor(policy: PresencePolicy) {
    this.#policy = policy
  }

  /** As stored; what was told before the restart counts as told (P-151). */
  restore(record: PresenceRecord): void {
    this.#statusMsg = record.statusMsg
    this.#lastActiveTs = record.lastActiveTs
    this.#isHidden = record.hidden
    this.#hiddenBy = record.hiddenBy
    this.#restored = record.state === 'offline' ? null : { state: record.state, untilTs: Infinity }
    const { state, statusMsg, lastActiveTs, currentlyActive } = record
    const told: Face = { state, statusMsg, lastActiveTs, currentlyActive }
    this.heard = record.hidden ? OFFLINE_FACE : told
    this.heardOwn = record.hidden ? hiddenFace(told) : { ...told, hidden: false }
    this.written = record
  }

  /** The server listens: a restored state lapses one offline grace from now (P-152). */
  beginGrace(now: Millis): void {
    if (this.#restored !== null)
      this.#restored = { state: this.#restored.state, untilTs: now + this.#policy.offlineGraceMs }
  }

  /** What time alone does. Done before anything else that happens, so that a late timer changes no outcome. */
  passTime(now: Millis): void {
    if (this.#restored !== null && now >= this.#restored.untilTs) this.#restored = null
    for (const [num, device] of this.#devices) this.#keep(num, settled(device, now, this.#policy))
  }

  /** `PUT status` (PRESENCE-SPEC §2.1). */
  report(num: DeviceNum, presence: PresenceState | 'hidden', status: StatusChange, now: Millis): void {
    if (presence === 'hidden') {
      this.#isHidden = true
      this.#hiddenBy = num
    } else {
      this.#device(num, (device) => reported(device, presence, now))
      if (this.#hiddenBy === num || this.#hiddenBy === null) this.#isHidden = false
      if (!this.#isHidden) this.#hiddenBy = null
      // The user spoke: what was restored is out of date.
      this.#restored = null
    }
    if (status.kind === 'clear') this.#statusMsg = null
    if (status.kind === 'set') this.#statusMsg = status.text
  }

  openStream(num: DeviceNum, presence: StreamPresence, now: Millis): void {
    this.#listeningStreams += 1
    if (presence === 'offline' && !this.#devices.has(num)) return
    const returned = presence === 'implicit' && !this.#devices.has(num) ? this.#returned(now) : null
    this.#device(num, (device) => streamOpened(returned ?? device, presence, now, this.#policy))
  }

  closeStream(num: DeviceNum, presence: StreamPresence, now: Millis): void {
    this.#listeningStreams -= 1
    this.#lastListenedTs = now
    // A device that was removed meanwhile took its streams along.
    const device = this.#devices.get(num)
    if (device !== undefined && device.openStreams > 0) this.#keep(num, streamClosed(device, presence, now))
  }

  /** A pro-active event of kind (b)–(d); a device that is not connected is not raised, only the time moves. */
  act(num: DeviceNum | null, now: Millis): void {
    if (num !== null && this.#devices.has(num)) this.#device(num, (device) => acted(device, now))
    this.#touch(now)
  }

  /** The device is logged out: gone from the aggregate at once (P-140); hiding set by it stays, and anyone may end it. */
  remove(num: DeviceNum): void {
    this.#devices.delete(num)
    if (this.#hiddenBy === num) this.#hiddenBy = null
  }

  deactivate(): void {
    this.#devices.clear()
    this.#restored = null
    this.#statusMsg = null
    this.#lastActiveTs = null
    this.#isHidden = false
    this.#hiddenBy = null
  }

  /** What others may be shown now. */
  face(now: Millis): Face {
    return this.#isHidden ? OFFLINE_FACE : this.#truth(now)
  }

  /** What the user's own devices are shown now. */
  ownFace(now: Millis): OwnFace {
    const truth = this.#truth(now)
    return this.#isHidden ? hiddenFace(truth) : { ...truth, hidden: false }
  }

  /** What has to survive a restart. */
  record(now: Millis): PresenceRecord {
    return { ...this.#truth(now), hidden: this.#isHidden, hiddenBy: this.#hiddenBy, refreshedTs: null }
  }

  deviceState(num: DeviceNum): PresenceState | null {
    return this.#devices.get(num)?.state ?? null
  }

  /** Is a stream open that would hear of others, or was one less than a grace ago? */
  isListening(now: Millis): boolean {
    return now < this.#deafAt()
  }

  /** When time alone will next change something; Infinity if it will not. */
  nextChangeAt(now: Millis): Millis {
    let next = Math.min(
      this.#restored?.untilTs ?? Infinity,
      this.isListening(now) ? this.#deafAt() : Infinity,
    )
    for (const device of this.#devices.values()) next = Math.min(next, nextChangeAt(device, this.#policy))
    const { currentlyActive, lastActiveTs } = this.#truth(now)
    return currentlyActive && lastActiveTs !== null
      ? Math.min(next, lastActiveTs + this.#policy.activeWindowMs)
      : next
  }

  /** Everything, for digests. */
  toJSON(): unknown {
    const { heard, heardOwn, written } = this
    const own = [this.#statusMsg, this.#lastActiveTs, this.#isHidden, this.#hiddenBy, this.#restored]
    return { own, devices: [...this.#devices], streams: this.#listeningStreams, heard, heardOwn, written }
  }

  #truth(now: Millis): Face {
    const state = higher(aggregate(this.#devices.values()), this.#restored?.state ?? 'offline')
    const lastActiveTs = this.#lastActiveTs
    const currentlyActive = isCurrentlyActive({ state, lastActiveTs }, now, this.#policy)
    return { state, statusMsg: this.#statusMsg, lastActiveTs, currentlyActive }
  }

  /**
   * What a device goes on as that merely polls on after a restart: nobody did anything, so nobody is told (decision 0007). Which
   * device was busy or free for chat is not known, and none catches it from another.
   */
  #returned(now: Millis): DevicePresence | null {
    if (this.#restored === null) return null
    const lastActiveTs = this.#lastActiveTs ?? 0
    const isIdle = this.#restored.state === 'unavailable' || now - lastActiveTs >= this.#policy.idleTimeoutMs
    return { ...UNKNOWN_DEVICE, state: isIdle ? 'unavailable' : 'online', lastActiveTs }
  }

  #device(num: DeviceNum, change: (device: DevicePresence) => DevicePresence): void {
    const before = this.#devices.get(num) ?? UNKNOWN_DEVICE
    const after = change(before)
    if (after.lastActiveTs > before.lastActiveTs) this.#touch(after.lastActiveTs)
    this.#keep(num, after)
  }

  #keep(num: DeviceNum, device: DevicePresence | null): void {
    if (device === null) this.#devices.delete(num)
    else this.#devices.set(num, device)
  }

  /** Never backwards (P-129). */
  #touch(ts: Millis): void {
    this.#lastActiveTs = Math.max(ts, this.#lastActiveTs ?? 0)
  }

  #deafAt(): Millis {
    if (this.#listeningStreams > 0) return Infinity
    return this.#lastListenedTs === null ? -Infinity : this.#lastListenedTs + this.#policy.offlineGraceMs
  }
}

/** The user's own clients still know text and time, and that the user hides. */
function hiddenFace(truth: Face): OwnFace {
  return { ...truth, state: 'offline', currentlyActive: false, hidden: true }
}
