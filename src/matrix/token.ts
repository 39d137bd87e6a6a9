/** Positions of everything but presence. `stream` is durable; `typing` starts anew, higher, with each process. */
export interface RoomsPosition {
  readonly stream: number
  readonly typing: number
}

/** The position, but none of the future: a token from before a restored backup counts as current (ROOMS-SPEC §6.1). */
export function notBeyond(position: RoomsPosition, now: RoomsPosition): RoomsPosition {
  return { stream: Math.min(position.stream, now.stream), typing: Math.min(position.typing, now.typing) }
}

/** A place in all streams at once: `next_batch`, `since`, and the `start` and `end` of the 2015 stream. */
export interface SyncToken {
  /** Names the life of the presence numbers (DESIGN §3.4). */
  readonly epoch: string
  readonly presence: { readonly seq: number; readonly skip: number }
  readonly rooms: RoomsPosition
}

const VERSION = 'a1'
const SYNC_TOKEN = /^a1_([A-Za-z0-9]{1,32})_(\d{1,15})(?:\.(\d{1,9}))?_(\d{1,15})_(\d{1,15})~?$/
const PAGE_TOKEN = /^t(\d{1,15})$/

/** `a1_<epoch>_<presence>[.<skip>]_<stream>_<typing>`. */
export function formatSyncToken(token: SyncToken): string {
  const { seq, skip } = token.presence
  const presence = skip === 0 ? `${seq}` : `${seq}.${skip}`
  return `${VERSION}_${token.epoch}_${presence}_${token.rooms.stream}_${token.rooms.typing}`
}

/** The same place under another name: for an answer with content that did not move on (ROOMS-SPEC §6.11). */
export function renamedSyncToken(text: string): string {
  return text.endsWith('~') ? text.slice(0, -1) : `${text}~`
}

/** Null if the text is not a token of ours; a token of another life parses, its epoch tells. */
export function parseSyncToken(text: string): SyncToken | null {
  const match = SYNC_TOKEN.exec(text)
  if (match === null) return null
  const [, epoch = '', seq, skip, stream, typing] = match
  return {
    epoch,
    presence: { seq: Number(seq), skip: Number(skip ?? 0) },
    rooms: { stream: Number(stream), typing: Number(typing) },
  }
}

/** A place between two events of a room, for `/messages`: after the event at this position. */
export function formatPageToken(stream: number): string {
  return `t${stream}`
}

/** Pages may also start from a sync token (ROOMS-SPEC §5.7). */
export function parsePageToken(text: string): number | null {
  const match = PAGE_TOKEN.exec(text)
  if (match !== null) return Number(match[1])
  return parseSyncToken(text)?.rooms.stream ?? null
}
