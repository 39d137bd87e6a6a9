import { useEffect, useState } from 'preact/hooks'
import { usePresenceClient } from '@adsum/client/react'
import { announcement, type Scene } from './announcements.ts'

/** What happens within this time is said together. */
const GATHER_MS = 1_000

/** The page's voice for screen readers: who came, who went, who asks, whether the server is there. */
export function Announcer() {
  const client = usePresenceClient()
  const [text, setText] = useState('')
  useEffect(() => {
    const look = (): Scene => ({
      connection: client.connection(),
      followed: client.roster().filter(({ listed }) => listed === 'accepted'),
      incoming: client.lists().incoming,
    })
    let told = look()
    let timer: ReturnType<typeof setTimeout> | undefined
    const tell = (): void => {
      timer = undefined
      const now = look()
      const sentence = announcement(told, now)
      told = now
      if (sentence !== '') setText(sentence)
    }
    const unsubscribe = client.subscribe(() => (timer ??= setTimeout(tell, GATHER_MS)))
    return () => {
      unsubscribe()
      clearTimeout(timer)
    }
  }, [client])
  return (
    <p class="unseen" role="status" aria-live="polite">
      {text}
    </p>
  )
}
