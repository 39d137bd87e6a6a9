import { useEffect, useState } from 'preact/hooks'
import type { InviteState } from '@adsum/client'
import { useInvites, useOwnPresence, usePresenceClient } from '@adsum/client/react'
import { useAct } from './act.ts'
import { Problem } from './problem.tsx'
import { readUserId } from './user-id.ts'

/** What became of the last question, as far as it is known. */
const OUTCOMES: Readonly<Partial<Record<InviteState, string>>> = {
  pending: 'is asked. You see them as soon as they accept.',
  accepted: 'is on your list now.',
  denied: 'said no, or does not exist.',
}

/** Asking somebody by their ID. */
export function AddPerson() {
  const own = useOwnPresence()
  const { invite, following } = useInvites()
  const { isRunning, problem, setProblem, run } = useAct()
  const [typed, setTyped] = useState('')
  const [asked, setAsked] = useState<string | null>(null)
  const outcome = useOutcome(asked)
  const submit = async (): Promise<void> => {
    const read = readUserId(typed, own.userId)
    setAsked(null)
    if (read.kind === 'problem') return setProblem(read.text)
    if (following.includes(read.userId)) return setProblem('They are on your list already.')
    setAsked(read.userId)
    if (await run(() => invite(read.userId))) setTyped('')
    else setAsked(null)
  }
  return (
    <section aria-labelledby="add-title">
      <h2 id="add-title">Ask to see somebody</h2>
      <form
        class="add-form"
        noValidate
        onSubmit={(event) => {
          event.preventDefault()
          void submit()
        }}
      >
        <label>
          User ID
          <input
            name="user-id"
            autocomplete="off"
            autocapitalize="none"
            spellcheck={false}
            placeholder="@bob:example.org"
            value={typed}
            onInput={({ currentTarget }) => setTyped(currentTarget.value)}
          />
        </label>
        <button class="primary" aria-disabled={isRunning}>
          Ask
        </button>
      </form>
      <Problem text={problem} />
      <p class="outcome" role="status">
        {asked !== null && outcome !== '' && (
          <>
            <bdi>{asked}</bdi> {outcome}
          </>
        )}
      </p>
    </section>
  )
}

/** Follows what becomes of an invite to this user. */
function useOutcome(userId: string | null): string {
  const client = usePresenceClient()
  const [outcome, setOutcome] = useState('')
  useEffect(() => {
    setOutcome('')
    return client.onInvite((change) => {
      if (change.direction === 'outgoing' && change.userId === userId)
        setOutcome(OUTCOMES[change.state] ?? '')
    })
  }, [client, userId])
  return outcome
}
