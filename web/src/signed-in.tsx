import { useEffect, useState } from 'preact/hooks'
import { createPresenceClient } from '@adsum/client'
import { useConnection, useFeatures } from '@adsum/client/react'
import { AddPerson } from './add-person.tsx'
import { Announcer } from './announcer.tsx'
import { InvitePolicyChoice } from './invite-policy.tsx'
import { InvitesInbox } from './invites-inbox.tsx'
import { LostBanner } from './lost-banner.tsx'
import { Observers } from './observers.tsx'
import { Provider } from './provider.ts'
import { Roster } from './roster.tsx'
import type { Session } from './session.ts'
import { StatusEditor } from './status-editor.tsx'
import { serverOf } from './user-id.ts'

interface SignedInProps {
  readonly session: Session
  readonly onSignOut: () => void
  /** The server does not know the token any more. */
  readonly onEnded: () => void
}

/** Everything behind the door, around one presence client that lives as long as the login. */
export function SignedIn({ session, onSignOut, onEnded }: SignedInProps) {
  const [client] = useState(() =>
    createPresenceClient({ ...session, baseUrl: location.origin, members: true }),
  )
  useEffect(() => {
    client.start()
    return () => client.stop()
  }, [client])
  return (
    <Provider client={client}>
      <header class="masthead">
        <h1 class="wordmark">Adsum</h1>
        <p class="server">
          <bdi>{serverOf(session.userId)}</bdi>
        </p>
        <button class="quiet" onClick={onSignOut}>
          Sign out
        </button>
      </header>
      <LostBanner />
      <Ending onEnded={onEnded} />
      <Announcer />
      <RollCall />
      <footer class="colophon">
        Initials stand where pictures would: this server keeps no media, and nothing is loaded from elsewhere.
      </footer>
    </Provider>
  )
}

function RollCall() {
  const { lists } = useFeatures()
  return (
    <main class="roll-call">
      <StatusEditor />
      {lists && <InvitesInbox />}
      <Roster />
      {lists && (
        <div class="circle">
          <AddPerson />
          <Observers />
          <InvitePolicyChoice />
        </div>
      )}
    </main>
  )
}

function Ending({ onEnded }: Pick<SignedInProps, 'onEnded'>) {
  const connection = useConnection()
  useEffect(() => {
    if (connection === 'unauthorized') onEnded()
  }, [connection])
  return null
}
