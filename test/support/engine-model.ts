import { assertNever } from '../../src/base/assert.ts'
import type { Millis } from '../../src/base/clock.ts'
import type { Command } from '../../src/engine/commands.ts'
import {
  acted,
  reported,
  settled,
  streamClosed,
  streamOpened,
  UNKNOWN_DEVICE,
} from '../../src/engine/device.ts'
import type {
  DeviceNum,
  DevicePresence,
  PresencePolicy,
  PresenceRecord,
  PresenceState,
} from '../../src/engine/types.ts'

/** What somebody is shown of a user. */
export interface Shown {
  readonly state: PresenceState
  readonly hidden: boolean
  readonly statusMsg: string | null
  readonly lastActiveTs: Millis | null
  readonly currentlyActive: boolean
}

export const NOTHING_SHOWN: Shown = {
  state: 'offline',
  hidden: false,
  statusMsg: null,
  lastActiveTs: null,
  currentlyActive: false,
}

interface ModelUser {
  devices: Record<number, DevicePresence>
  statusMsg: string | null
  lastActiveTs: Millis | null
  isHidden: boolean
  hiddenBy: number | null
  restored: { state: PresenceState; untilTs: Millis } | null
}

/** High to low (P-138). */
const ORDER: readonly PresenceState[] = ['busy', 'free_for_chat', 'online', 'unavailable', 'offline']

/**
 * Presence as the specification tells it, without any thought of cost: sets and lists, everything computed from scratch
 * at every question. The rules of one device are those of the engine, which have tests of their own.
 */
export class PresenceModel {
  readonly #policy: PresencePolicy
  #users: Record<number, ModelUser> = {}
  #members: { room: number; user: number }[] = []
  #grants: { observer: number; observed: number }[] = []
  #ignores: Record<number, readonly number[]> = {}
  now: Millis

  constructor(policy: PresencePolicy, now: Millis) {
    this.#policy = policy
    this.now = now
  }

  apply(command: Command): void {
    switch (command.kind) {
      case 'room.joined':
        this.apply({ ...command, kind: 'room.left' })
        return void this.#members.push({ room: command.room, user: command.user })
      case 'room.left':
        this.#members = this.#members.filter(
          ({ room, user }) => room !== command.room || user !== command.user,
        )
        return
      case 'grant.given':
        return void this.#grants.push(command)
      case 'grant.removed':
        this.#grants = this.#grants.filter(
          ({ observer, observed }) => observer !== command.observer || observed !== command.observed,
        )
        return
      case 'ignores.set':
        this.#ignores[command.user] = command.ignored
        return
      case 'user.restored':
      case 'room.excluded':
      case 'user.remote':
      case 'remote.pushed':
      case 'server.polled':
      case 'server.speaks-lists':
        throw new Error('not part of these histories')
      case 'user.registered':
      case 'user.deactivated':
      case 'profile.changed':
      case 'device.reported':
      case 'device.acted':
      case 'device.removed':
      case 'stream.opened':
      case 'stream.closed':
        return this.#change(command)
      default:
        return assertNever(command)
    }
  }

  /** Down and up again with these records. */
  restarts(records: ReadonlyMap<number, PresenceRecord>): void {
    this.#users = {}
    for (const [num, record] of records) {
      const user = this.#user(num)
      user.statusMsg = record.statusMsg
      user.lastActiveTs = record.lastActiveTs
      user.isHidden = record.hidden
      user.hiddenBy = record.hiddenBy
      user.restored = { state: record.state, untilTs: this.now + this.#policy.offlineGraceMs }
    }
  }

  /** Is there a reason why the viewer might see the user, ignore lists apart? */
  isTied(viewer: number, user: number): boolean {
    const { maxRoomMembers } = this.#policy
    const roomsOf = (one: number): number[] =>
      this.#members.filter((member) => member.user === one).map(({ room }) => room)
    const isSmall = (room: number): boolean =>
      maxRoomMembers === 0 || this.#members.filter((member) => member.room === room).length <= maxRoomMembers
    const theirs = roomsOf(user)
    if (roomsOf(viewer).some((room) => theirs.includes(room) && isSmall(room))) return true
    return this.#grants.some(({ observer, observed }) => observer === viewer && observed === user)
  }

  sees(viewer: number, user: number): boolean {
    if (viewer === user) return true
    if (this.#policy.hideFromIgnored && this.#ignores[user]?.includes(viewer)) return false
    return this.isTied(viewer, user)
  }

  /** Are the viewer's clients told of the user? */
  isShown(viewer: number, user: number): boolean {
    return viewer === user || (this.sees(viewer, user) && !this.#ignores[viewer]?.includes(user))
  }

  /** What the viewer is shown of the user who is visible to them. */
  shown(viewer: number, user: number): Shown {
    const { isHidden } = this.#user(user)
    if (!isHidden) return this.truth(user)
    return viewer === user
      ? { ...this.truth(user), state: 'offline', currentlyActive: false, hidden: true }
      : NOTHING_SHOWN
  }

  /** The user, whether hidden or not. */
  truth(num: number): Shown {
    const { devices, restored, statusMsg, lastActiveTs } = this.#user(num)
    const states = Object.values(devices).flatMap((device) => {
      const now = settled(device, this.now, this.#policy)
      return now === null ? [] : [now.state]
    })
    if (restored !== null && this.now < restored.untilTs) states.push(restored.state)
    const state = ORDER.find((one) => states.includes(one)) ?? 'offline'
    const isActive = lastActiveTs !== null && this.now - lastActiveTs < this.#policy.activeWindowMs
    const currentlyActive = isActive && ['online', 'busy', 'free_for_chat'].includes(state)
    return { state, hidden: false, statusMsg, lastActiveTs, currentlyActive }
  }

  record(num: number): PresenceRecord {
    const { state, statusMsg, lastActiveTs, currentlyActive } = this.truth(num)
    const { isHidden: hidden, hiddenBy } = this.#user(num)
    return {
      state,
      statusMsg,
      lastActiveTs,
      currentlyActive,
      hidden,
      hiddenBy: hiddenBy as DeviceNum | null,
      refreshedTs: null,
    }
  }

  #change(
    command: Exclude<
      Command,
      {
        kind:
          | `room.${string}`
          | `grant.${string}`
          | `server.${string}`
          | 'ignores.set'
          | 'user.restored'
          | 'user.remote'
          | 'remote.pushed'
      }
    >,
  ): void {
    const { now } = this
    const user = this.#user(command.user)
    switch (command.kind) {
      case 'user.registered':
        user.lastActiveTs = now
        return
      case 'user.deactivated':
        delete this.#users[command.user]
        return
      case 'profile.changed':
        if (command.device !== null) this.apply({ ...command, kind: 'device.acted', device: command.device })
        return
      case 'device.acted':
        this.#device(user, command.device, (device) => (device === null ? null : acted(device, now)))
        user.lastActiveTs = now
        return
      case 'device.removed':
        delete user.devices[command.device]
        if (user.hiddenBy === command.device) user.hiddenBy = null
        return
      case 'stream.opened':
        this.#device(user, command.device, (device) => {
          if (device === null && command.presence === 'offline') return null
          const known = device ?? (command.presence === 'implicit' ? this.#returned(user) : UNKNOWN_DEVICE)
          return streamOpened(known, command.presence, now, this.#policy)
        })
        return
      case 'stream.closed':
        this.#device(user, command.device, (device) =>
          device === null ? null : streamClosed(device, command.presence, now),
        )
        return
      case 'device.reported':
        return this.#report(user, command)
      default:
        return assertNever(command)
    }
  }

  #report(
    user: ModelUser,
    { device, presence, status }: Extract<Command, { kind: 'device.reported' }>,
  ): void {
    if (status.kind !== 'keep') user.statusMsg = status.kind === 'set' ? status.text : null
    if (presence === 'hidden') {
      user.isHidden = true
      user.hiddenBy = device
      return
    }
    if (user.hiddenBy === null || user.hiddenBy === device) {
      user.isHidden = false
      user.hiddenBy = null
    }
    user.restored = null
    this.#device(user, device, (before) => reported(before ?? UNKNOWN_DEVICE, presence, this.now))
  }

  /** A device that merely polls on after a restart: nobody did anything. */
  #returned({ restored, lastActiveTs }: ModelUser): DevicePresence {
    if (restored === null || restored.state === 'offline' || this.now >= restored.untilTs)
      return UNKNOWN_DEVICE
    const state = restored.state === 'unavailable' ? 'unavailable' : 'online'
    return { ...UNKNOWN_DEVICE, state, lastActiveTs: lastActiveTs ?? 0 }
  }

  /** Null: the device is not there. */
  #device(
    user: ModelUser,
    num: number,
    change: (device: DevicePresence | null) => DevicePresence | null,
  ): void {
    const before = user.devices[num]
    const after = change(before === undefined ? null : settled(before, this.now, this.#policy))
    delete user.devices[num]
    if (after === null) return
    user.devices[num] = after
    if (after.lastActiveTs > (before?.lastActiveTs ?? 0))
      user.lastActiveTs = Math.max(user.lastActiveTs ?? 0, after.lastActiveTs)
  }

  #user(num: number): ModelUser {
    return (this.#users[num] ??= {
      devices: {},
      statusMsg: null,
      lastActiveTs: null,
      isHidden: false,
      hiddenBy: null,
      restored: null,
    })
  }
}
