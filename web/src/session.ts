import { useEffect, useState } from 'preact/hooks'

/** A login of this browser; all its tabs share it. */
export interface Session {
  readonly userId: string
  readonly accessToken: string
}

const KEY = 'adsum-session'

function readSession(): Session | null {
  try {
    const { userId, accessToken } = JSON.parse(localStorage.getItem(KEY) ?? 'null') as Partial<Session>
    return typeof userId === 'string' && typeof accessToken === 'string' ? { userId, accessToken } : null
  } catch {
    // Nothing stored, not ours, or no storage in this browser: then nobody is signed in.
    return null
  }
}

function writeSession(session: Session | null): void {
  try {
    if (session === null) localStorage.removeItem(KEY)
    else localStorage.setItem(KEY, JSON.stringify(session))
  } catch {
    // Without storage the login lasts as long as the tab.
  }
}

/** Who is signed in, kept over reloads and followed over tabs: signing in or out in one of them does so in all. */
export function useSession(): [Session | null, (session: Session | null) => void] {
  const [session, setSession] = useState(readSession)
  useEffect(() => {
    const follow = ({ key }: StorageEvent): void => {
      if (key === KEY || key === null) setSession(readSession())
    }
    addEventListener('storage', follow)
    return () => removeEventListener('storage', follow)
  }, [])
  const keep = (next: Session | null): void => {
    writeSession(next)
    setSession(next)
  }
  return [session, keep]
}
