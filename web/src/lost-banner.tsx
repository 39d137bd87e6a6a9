import { useConnection, usePresenceClient } from '@adsum/client/react'

/** While the server cannot be reached; it goes away by itself. */
export function LostBanner() {
  const connection = useConnection()
  const client = usePresenceClient()
  if (connection !== 'lost') return null
  return (
    <section class="lost" aria-label="Connection">
      <p>
        <strong>The server cannot be reached.</strong> Who is around is unknown until it answers; that is
        tried again and again.
      </p>
      <button class="quiet" onClick={() => client.retryNow()}>
        Try now
      </button>
    </section>
  )
}
