import type { UserPresence } from '@adsum/client'
import { useFeatures, useInvites } from '@adsum/client/react'
import { useAct } from './act.ts'
import { activityText } from './age.ts'
import { ConfirmButton } from './confirm-button.tsx'
import { nameOf } from './initials.ts'
import { PersonName } from './person-name.tsx'
import { Portrait } from './portrait.tsx'
import { Problem } from './problem.tsx'
import { useNow } from './use-now.ts'

/** One person: state, name, text, how long ago, and what one can do about them. */
export function PersonRow({ person, isAsked }: { readonly person: UserPresence; readonly isAsked: boolean }) {
  const { lists } = useFeatures()
  return (
    <li class="person" data-user={person.userId}>
      {isAsked ? <Portrait person={person} /> : <Portrait person={person} availability={person.presence} />}
      <div class="says">
        <PersonName person={person} />
        {person.statusMsg !== undefined && (
          <p class="status-text">
            <bdi>{person.statusMsg}</bdi>
          </p>
        )}
      </div>
      {!isAsked && <Age person={person} />}
      {lists && <ListAction person={person} />}
    </li>
  )
}

/** Ages without a request; silent about who is not known to be anything. */
function Age({ person }: { readonly person: UserPresence }) {
  const now = useNow()
  return <span class="age">{person.presence === 'unknown' ? '' : activityText(person, now)}</span>
}

function ListAction({ person }: { readonly person: UserPresence }) {
  const { invite, drop } = useInvites()
  const { isRunning, problem, run } = useAct()
  const { userId, listed } = person
  const name = nameOf(person)
  return (
    <div class="row-action">
      {listed === null ? (
        <button
          class="quiet"
          aria-label={`Add to list: ${name}`}
          aria-disabled={isRunning}
          onClick={() => void run(() => invite(userId))}
        >
          Add to list
        </button>
      ) : (
        <ConfirmButton
          label={listed === 'accepted' ? 'Remove' : 'Withdraw'}
          question={listed === 'accepted' ? 'Really remove?' : 'Really withdraw?'}
          whom={name}
          disabled={isRunning}
          onConfirmed={() => void run(() => drop(userId))}
        />
      )}
      {problem !== '' && <Problem text={problem} />}
    </div>
  )
}
