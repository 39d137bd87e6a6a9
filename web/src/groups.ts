import type { UserPresence } from '@adsum/client'
import { compareAvailability } from './availability.ts'
import { nameOf } from './initials.ts'

export type GroupId = 'list' | 'rooms' | 'asked'

export interface Group {
  readonly id: GroupId
  readonly title: string
  readonly people: readonly UserPresence[]
}

const TITLES: Readonly<Record<GroupId, string>> = {
  list: 'On your list',
  rooms: 'From shared rooms',
  asked: 'Asked, not answered yet',
}

const collator = new Intl.Collator(undefined, { sensitivity: 'base', numeric: true })

/** Everyone to show, grouped by why they are shown; within a group whoever is easiest to reach first, then by name. Empty groups are left out. */
export function groupPeople(people: readonly UserPresence[]): Group[] {
  const groups: Record<GroupId, UserPresence[]> = { list: [], rooms: [], asked: [] }
  for (const person of people) {
    const id = groupOf(person)
    if (id !== null) groups[id].push(person)
  }
  return (Object.keys(TITLES) as GroupId[])
    .map((id) => ({ id, title: TITLES[id], people: groups[id].toSorted(comparePeople) }))
    .filter(({ people }) => people.length > 0)
}

/** Null for who is only remembered: the last common room was left, or the permission is gone. */
export function groupOf({ listed, rooms, presence }: UserPresence): GroupId | null {
  if (listed === 'accepted') return 'list'
  if (rooms.length > 0) return 'rooms'
  if (listed === 'pending') return 'asked'
  return presence === 'offline' || presence === 'unknown' ? null : 'rooms'
}

export function comparePeople(a: UserPresence, b: UserPresence): number {
  return (
    compareAvailability(a.presence, b.presence) ||
    collator.compare(nameOf(a), nameOf(b)) ||
    (a.userId < b.userId ? -1 : 1)
  )
}
