import type { Invite } from '@adsum/client'
import { useInvites, usePresence } from '@adsum/client/react'
import { useAct } from './act.ts'
import { agoText } from './age.ts'
import { useFocusKept } from './focus.ts'
import { nameOf } from './initials.ts'
import { PersonName } from './person-name.tsx'
import { Portrait } from './portrait.tsx'
import { Problem } from './problem.tsx'
import { useNow } from './use-now.ts'

/** People who ask to see us, until they are answered; not there while nobody asks. */
export function InvitesInbox() {
  const { incoming } = useInvites()
  useFocusKept('inbox-title', 'roster-title')
  if (incoming.length === 0) return null
  return (
    <section class="inbox" aria-labelledby="inbox-title">
      <h2 id="inbox-title" tabIndex={-1}>
        {incoming.length === 1 ? 'Somebody asks to see you' : `${incoming.length} people ask to see you`}
      </h2>
      <ul>
        {incoming.map((invite) => (
          <InviteRow key={invite.userId} invite={invite} />
        ))}
      </ul>
    </section>
  )
}

function InviteRow({ invite: { userId, ts } }: { readonly invite: Invite }) {
  const { accept, deny } = useInvites()
  const person = usePresence(userId)
  const { isRunning, problem, run } = useAct()
  const now = useNow()
  const button = (text: string, work: () => Promise<void>, kind = 'quiet') => (
    <button
      class={kind}
      aria-label={`${text}: ${nameOf(person)}`}
      aria-disabled={isRunning}
      onClick={() => void run(work)}
    >
      {text}
    </button>
  )
  return (
    <li class="invite" data-user={userId}>
      <Portrait person={person} />
      <div class="says">
        <PersonName person={person} />
        <p class="since">asked {agoText(ts, now)}</p>
      </div>
      <div class="answers">
        {person.listed === null &&
          button('Accept and add back', () => accept(userId, { addBack: true }), 'primary')}
        {button('Accept', () => accept(userId), person.listed === null ? 'quiet' : 'primary')}
        {button('Deny', () => deny(userId))}
        {button('Ignore', () => deny(userId, { ignoreFuture: true }))}
      </div>
      <Problem text={problem} />
    </li>
  )
}
