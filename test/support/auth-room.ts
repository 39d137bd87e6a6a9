import { expect } from 'vitest'
import { must } from '../../src/base/assert.ts'
import type { AuthState } from '../../src/homeserver/auth-state.ts'
import { authorize } from '../../src/homeserver/room-auth.ts'
import type { EventId, RoomId, UserId } from '../../src/matrix/ids.ts'
import type { JsonObject } from '../../src/matrix/json.ts'
import { authEventKeys, stateKeyOf, type Pdu, type RoomEvent } from '../../src/matrix/room-event.ts'
import { roomVersion, type RoomVersion } from '../../src/matrix/room-version/index.ts'

export const CREATOR = '@creator:home.example'
export const ALICE = '@alice:home.example'
export const BOB = '@bob:home.example'
export const CAROL = '@carol:away.example'

export const ALL = ['6', '7', '8', '9', '10', '11', '12']
/** The room versions from one on. */
export function since(first: string): string[] {
  return ALL.slice(ALL.indexOf(first))
}
/** The room versions before one. */
export function before(first: string): string[] {
  return ALL.slice(0, ALL.indexOf(first))
}

const CREATE_ID = `$${'c'.repeat(43)}` as EventId

export interface EventSketch {
  readonly type: string
  readonly sender?: string
  readonly stateKey?: string
  readonly content?: JsonObject
  /** Other top-level keys of the PDU, or those that it should have instead. */
  readonly pdu?: JsonObject
}

/** A room of one version as the auth rules see it: made by CREATOR, who is its only member, with nothing else set. */
export class AuthRoom implements AuthState {
  readonly version: RoomVersion
  readonly #state = new Map<string, RoomEvent>()
  #read: [string, string][] = []
  #count = 0

  constructor(id: string, createContent: JsonObject = {}) {
    this.version = must(roomVersion(id), `room version ${id}`)
    const creator = this.version.creator === 'content' ? { creator: CREATOR } : {}
    const content = { room_version: id, ...creator, ...createContent }
    this.set('m.room.create', '', content, CREATOR)
    this.member(CREATOR, 'join')
  }

  get roomId(): RoomId {
    return (this.version.roomIdFromCreate ? `!${CREATE_ID.slice(1)}` : '!room:home.example') as RoomId
  }

  get createId(): EventId {
    return CREATE_ID
  }

  /** Puts a state event into the room, without asking the rules. */
  set(type: string, stateKey: string, content: JsonObject, sender: string = CREATOR): this {
    this.#state.set(stateKeyOf(type, stateKey), this.event({ type, stateKey, content, sender }))
    return this
  }

  member(userId: string, membership: string): this {
    return this.set('m.room.member', userId, { membership }, userId)
  }

  joinRule(rule: string): this {
    return this.set('m.room.join_rules', '', { join_rule: rule })
  }

  power(content: JsonObject): this {
    return this.set('m.room.power_levels', '', content)
  }

  remove(type: string, stateKey: string): this {
    this.#state.delete(stateKeyOf(type, stateKey))
    return this
  }

  get(type: string, stateKey: string): RoomEvent | undefined {
    this.#read.push([type, stateKey])
    return this.#state.get(stateKeyOf(type, stateKey))
  }

  event({ type, sender = ALICE, stateKey, content = {}, pdu = {} }: EventSketch): RoomEvent {
    this.#count += 1
    const isCreate = type === 'm.room.create'
    const made: Pdu = {
      type,
      sender: sender as UserId,
      content,
      ...(isCreate && this.version.roomIdFromCreate ? {} : { room_id: this.roomId }),
      ...(stateKey === undefined ? {} : { state_key: stateKey }),
      origin_server_ts: 1,
      depth: 9,
      prev_events: isCreate ? [] : [`$${'p'.repeat(43)}` as EventId],
      auth_events: [],
      hashes: { sha256: 'h' },
      signatures: {},
      ...pdu,
    }
    const eventId = isCreate ? CREATE_ID : (`$${String(this.#count).padStart(43, '0')}` as EventId)
    return { eventId, roomId: made.room_id ?? this.roomId, pdu: made }
  }

  /**
   * `ok`, or the rule that rejects the event. Whatever the answer, only the state of §2.7 may have been read for it, and
   * that state alone must give the same answer.
   */
  judge(sketch: EventSketch): string {
    const event = this.event(sketch)
    this.#read = []
    const verdict = authorize(event, this, this.version)
    const allowed = [['m.room.create', ''] as const, ...authEventKeys(event.pdu, this.version)]
    for (const key of this.#read) expect(allowed).toContainEqual(key)
    const relevant = new Map(
      allowed.toReversed().map(([type, stateKey]) => {
        const key = stateKeyOf(type, stateKey)
        return [key, this.#state.get(key)]
      }),
    )
    const again = authorize(
      event,
      { get: (type, stateKey) => relevant.get(stateKeyOf(type, stateKey)) },
      this.version,
    )
    expect(again).toEqual(verdict)
    return verdict.allowed ? 'ok' : verdict.rule
  }

  /** The same for a member event. */
  judgeMember(
    sender: string,
    membership: string,
    target: string,
    sketch: Omit<EventSketch, 'type'> = {},
  ): string {
    const content = { membership, ...sketch.content }
    return this.judge({ type: 'm.room.member', sender, stateKey: target, ...sketch, content })
  }
}
