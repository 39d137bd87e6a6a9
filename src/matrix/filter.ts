// Written with the filter decoder (ROOMS-SPEC §6.12).
export interface EventFilter {
  readonly types?: readonly string[]
  readonly not_types?: readonly string[]
  readonly senders?: readonly string[]
  readonly not_senders?: readonly string[]
  readonly limit?: number
}

export interface RoomEventFilter extends EventFilter {
  readonly rooms?: readonly string[]
  readonly not_rooms?: readonly string[]
  readonly contains_url?: boolean
  readonly lazy_load_members?: boolean
  readonly include_redundant_members?: boolean
  readonly unread_thread_notifications?: boolean
}

export interface Filter {
  readonly event_fields?: readonly string[]
  readonly event_format?: 'client' | 'federation'
  readonly presence?: EventFilter
  readonly account_data?: EventFilter
  readonly room?: {
    readonly rooms?: readonly string[]
    readonly not_rooms?: readonly string[]
    readonly include_leave?: boolean
    readonly timeline?: RoomEventFilter
    readonly state?: RoomEventFilter
    readonly ephemeral?: RoomEventFilter
    readonly account_data?: RoomEventFilter
  }
}
