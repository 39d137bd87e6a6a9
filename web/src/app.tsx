import { useState } from 'preact/hooks'
import { signOut } from './account.ts'
import { useSession } from './session.ts'
import { SignIn } from './sign-in.tsx'
import { SignedIn } from './signed-in.tsx'

export function App() {
  const [session, setSession] = useSession()
  const [notice, setNotice] = useState('')
  if (session === null)
    return (
      <SignIn
        notice={notice}
        onSession={(begun) => {
          setNotice('')
          setSession(begun)
        }}
      />
    )
  return (
    <SignedIn
      key={session.accessToken}
      session={session}
      onSignOut={() => {
        setSession(null)
        void signOut(session)
      }}
      onEnded={() => {
        setNotice('This login has ended. Sign in again.')
        setSession(null)
      }}
    />
  )
}
