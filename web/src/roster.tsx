import { useConnection, useRoster } from '@adsum/client/react'
import { isAround } from './availability.ts'
import { useFocusKept } from './focus.ts'
import { groupPeople, type Group } from './groups.ts'
import { PersonRow } from './person-row.tsx'

/** Everyone, grouped and sorted. */
export function Roster() {
  const connection = useConnection()
  useFocusKept('roster-title')
  const groups = groupPeople(useRoster())
  return (
    <section class="roster" aria-labelledby="roster-title">
      <h2 id="roster-title" tabIndex={-1}>
        Who is around
      </h2>
      {groups.length > 0 && connection !== 'lost' && <p class="count">{countText(groups)}</p>}
      {groups.length === 0 && <p class="empty">{emptyText(connection === 'connected')}</p>}
      {groups.map((group) => (
        <PeopleGroup key={group.id} {...group} />
      ))}
    </section>
  )
}

function PeopleGroup({ id, title, people }: Group) {
  return (
    <section aria-labelledby={`group-${id}`}>
      <h3 id={`group-${id}`}>{title}</h3>
      <ul class="people">
        {people.map((person) => (
          <PersonRow key={person.userId} person={person} isAsked={id === 'asked'} />
        ))}
      </ul>
    </section>
  )
}

function emptyText(isKnown: boolean): string {
  return isKnown
    ? 'Nobody to see yet. Ask somebody by their user ID, or join a room with them in any Matrix client.'
    : 'Calling the roll…'
}

/** Of those whose state is told. */
function countText(groups: readonly Group[]): string {
  const people = groups.flatMap(({ id, people }) => (id === 'asked' ? [] : people))
  const here = people.filter(({ presence }) => isAround(presence)).length
  return `${here} of ${people.length} here`
}
