import type { Invite } from '@adsum/client'
import { useInvites, usePresence } from '@adsum/client/react'
import { useAct } from './act.ts'
import { dateText } from './age.ts'
import { ConfirmButton } from './confirm-button.tsx'
import { useFocusKept } from './focus.ts'
import { nameOf } from './initials.ts'
import { PersonName } from './person-name.tsx'
import { Problem } from './problem.tsx'
import { useNow } from './use-now.ts'

/** Whom we allowed to see us, and taking it back. */
export function Observers() {
  const { observers } = useInvites()
  useFocusKept('observers-title')
  return (
    <section class="observers" aria-labelledby="observers-title">
      <h2 id="observers-title" tabIndex={-1}>
        People who can see you
      </h2>
      {observers.length === 0 && <p class="empty">You have not accepted anybody.</p>}
      <ul>
        {observers.map((observer) => (
          <ObserverRow key={observer.userId} observer={observer} />
        ))}
      </ul>
      <p class="hint">Whoever shares a room with you sees you too, unless you hide.</p>
    </section>
  )
}

function ObserverRow({ observer: { userId, ts } }: { readonly observer: Invite }) {
  const { revoke } = useInvites()
  const person = usePresence(userId)
  const { isRunning, problem, run } = useAct()
  const now = useNow()
  return (
    <li data-user={userId}>
      <div class="says">
        <PersonName person={person} />
        <p class="since">since {dateText(ts, now)}</p>
      </div>
      <ConfirmButton
        label="Revoke"
        question="Really revoke?"
        whom={nameOf(person)}
        disabled={isRunning}
        onConfirmed={() => void run(() => revoke(userId))}
      />
      {problem !== '' && <Problem text={problem} />}
    </li>
  )
}
