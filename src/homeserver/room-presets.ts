import type { UserId } from '../matrix/ids.ts'
import type { JsonObject } from '../matrix/json.ts'
import type { RoomVersion } from '../matrix/room-version/index.ts'

export const PRESETS = ['private_chat', 'public_chat', 'trusted_private_chat'] as const
export type Preset = (typeof PRESETS)[number]

interface PresetRow {
  readonly joinRule: 'invite' | 'public'
  readonly historyVisibility: 'shared'
  /** Null: not sent, which means `forbidden` (AR-08). */
  readonly guestAccess: 'can_join' | null
  /** AR-09. */
  readonly inviteLevel: number
  /** Invitees get the power of the creator. */
  readonly trustsInvitees: boolean
}

/** §5.4. */
const PRESET_ROWS: Readonly<Record<Preset, PresetRow>> = {
  private_chat: {
    joinRule: 'invite',
    historyVisibility: 'shared',
    guestAccess: 'can_join',
    inviteLevel: 0,
    trustsInvitees: false,
  },
  trusted_private_chat: {
    joinRule: 'invite',
    historyVisibility: 'shared',
    guestAccess: 'can_join',
    inviteLevel: 0,
    trustsInvitees: true,
  },
  public_chat: {
    joinRule: 'public',
    historyVisibility: 'shared',
    guestAccess: null,
    inviteLevel: 50,
    trustsInvitees: false,
  },
}

const CREATOR_LEVEL = 100
const TOMBSTONE_LEVEL = 100
/** Above every level that can be given to others by default. */
const TOMBSTONE_LEVEL_INFINITE_CREATORS = 150

/** Do invitees get the power of the creator? */
export function trustsInvitees(preset: Preset): boolean {
  return PRESET_ROWS[preset].trustsInvitees
}

/** The state events of a preset, in order. */
export function presetState(preset: Preset): { readonly type: string; readonly content: JsonObject }[] {
  const { joinRule, historyVisibility, guestAccess } = PRESET_ROWS[preset]
  const events: { type: string; content: JsonObject }[] = [
    { type: 'm.room.join_rules', content: { join_rule: joinRule } },
    { type: 'm.room.history_visibility', content: { history_visibility: historyVisibility } },
  ]
  if (guestAccess !== null)
    events.push({ type: 'm.room.guest_access', content: { guest_access: guestAccess } })
  return events
}

/** The power levels of a new room; `trusted` are the invitees that stand beside the creator. */
export function defaultPowerLevels(
  version: RoomVersion,
  preset: Preset,
  { creator, trusted }: { readonly creator: UserId; readonly trusted: readonly UserId[] },
): JsonObject {
  const powerful = version.infiniteCreators ? [] : [creator, ...trusted]
  return {
    users: Object.fromEntries(powerful.map((userId) => [userId, CREATOR_LEVEL])),
    users_default: 0,
    events_default: 0,
    state_default: 50,
    ban: 50,
    kick: 50,
    redact: 50,
    invite: PRESET_ROWS[preset].inviteLevel,
    historical: 100,
    events: {
      'm.room.name': 50,
      'm.room.avatar': 50,
      'm.room.canonical_alias': 50,
      'm.room.power_levels': 100,
      'm.room.history_visibility': 100,
      'm.room.encryption': 100,
      'm.room.server_acl': 100,
      'm.room.tombstone': version.infiniteCreators ? TOMBSTONE_LEVEL_INFINITE_CREATORS : TOMBSTONE_LEVEL,
    },
  }
}
