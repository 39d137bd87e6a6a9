import { useConnection, usePresenceClient } from '@adsum/client/react'

/** While the server cannot be reached; it goes away by itself. */
export function LostBanner() {
  const connection = useConnection()
  const client = usePresenceClient()
  if (connection !== 'lost') return null
  return (
    <section class="lost" aria-label="Connection">
      <p>
        <strong>The server cannot be reached.</strong> Until it answers, who is around is unknown. This page
        keeps trying.
      </p>
      <button class="quiet" onClick={() => client.retryNow()}>
        Try now
      </button>
    </section>
  )
}
