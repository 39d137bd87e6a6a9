import type { Connection, Invite, UserPresence } from '@adsum/client'
import { AVAILABILITY_NAMES } from './availability.ts'
import { nameOf } from './initials.ts'

/** What of the page may be worth saying aloud when it changes. */
export interface Scene {
  readonly connection: Connection
  /** Those on the own list; what strangers in rooms do is not read out. */
  readonly followed: readonly UserPresence[]
  readonly incoming: readonly Invite[]
}

/** More than this is noise: the rest is counted. */
const SENTENCES_MAX = 3

/** What a screen reader says when the page has gone from one scene to the other; empty if nothing. */
export function announcement(before: Scene, after: Scene): string {
  if (before.connection !== after.connection) {
    if (after.connection === 'lost') return 'The server cannot be reached. Everyone is unknown.'
    if (before.connection === 'lost' && after.connection === 'connected') return 'The server is back.'
  }
  const sentences = [...newInvites(before, after), ...changedPeople(before, after)]
  const rest = sentences.length - SENTENCES_MAX
  return sentences.slice(0, SENTENCES_MAX).join(' ') + (rest > 0 ? ` And ${rest} more.` : '')
}

function newInvites(before: Scene, after: Scene): string[] {
  const known = new Set(before.incoming.map(({ userId }) => userId))
  return after.incoming
    .filter(({ userId }) => !known.has(userId))
    .map(({ userId }) => `${userId} asks to see you.`)
}

function changedPeople(before: Scene, after: Scene): string[] {
  const was = new Map(before.followed.map((person) => [person.userId, person]))
  return after.followed.flatMap((person) => {
    const old = was.get(person.userId)
    // Losing the server and finding it again is one sentence, not one for each person.
    const isNews = old !== undefined && old.presence !== person.presence && old.presence !== 'unknown'
    return isNews ? [`${nameOf(person)}: ${AVAILABILITY_NAMES[person.presence]}.`] : []
  })
}
