import { useEffect, useState } from 'preact/hooks'
import type { InvitePolicy } from '@adsum/client'
import { usePresenceClient } from '@adsum/client/react'
import { useAct } from './act.ts'
import { Problem } from './problem.tsx'

const POLICIES: Readonly<Record<InvitePolicy, string>> = {
  manual: 'ask me',
  accept_reverse: 'accept those I follow, ask me about others',
  accept_shared_room: 'accept those in my rooms, ask me about others',
  accept_all: 'accept everyone',
  deny_all: 'deny everyone',
}

/** What the server does with new questions. */
export function InvitePolicyChoice() {
  const client = usePresenceClient()
  const [policy, setPolicy] = useState<InvitePolicy | null>(null)
  const [isSaved, setSaved] = useState(false)
  const { problem, run } = useAct()
  useEffect(() => {
    void run(async () => setPolicy(await client.policy()))
  }, [client])
  const choose = async (next: InvitePolicy): Promise<void> => {
    setSaved(false)
    const worked = await run(async () => {
      await client.setPolicy(next)
      setPolicy(next)
    })
    setSaved(worked)
  }
  return (
    <section aria-labelledby="policy-title">
      <h2 id="policy-title">When somebody asks to see you</h2>
      <label class="unseen" for="policy">
        What to do
      </label>
      <select
        id="policy"
        value={policy ?? ''}
        disabled={policy === null}
        onChange={({ currentTarget }) => void choose(currentTarget.value as InvitePolicy)}
      >
        {policy === null && <option value="">…</option>}
        {Object.entries(POLICIES).map(([value, text]) => (
          <option key={value} value={value}>
            {text}
          </option>
        ))}
      </select>
      <span class="saving" role="status">
        {isSaved ? 'Saved' : ''}
      </span>
      <Problem text={problem} />
    </section>
  )
}
