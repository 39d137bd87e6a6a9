import { useEffect, useState } from 'preact/hooks'
import { useOwnPresence } from '@adsum/client/react'
import { Problem } from './problem.tsx'

/** As the server counts it, in UTF-8. */
const STATUS_BYTES_MAX = 1_024

/** The line that others read beside the name. Until it is edited here, it follows what is set elsewhere. */
export function StatusText() {
  const own = useOwnPresence()
  const current = own.statusMsg ?? ''
  const [draft, setDraft] = useState<string | null>(null)
  useEffect(() => {
    if (draft === current) setDraft(null)
  }, [draft, current])
  const text = draft ?? current
  const isTooLong = new TextEncoder().encode(text.trim()).length > STATUS_BYTES_MAX
  const save = (next: string): void => {
    setDraft(null)
    own.setPresence({ statusMsg: next === '' ? null : next }).catch(() => setDraft(next))
  }
  return (
    <form
      class="status-form"
      noValidate
      onSubmit={(event) => {
        event.preventDefault()
        if (!isTooLong) save(text.trim())
      }}
    >
      <label>
        Status text
        <input
          name="status"
          autocomplete="off"
          placeholder="What are you up to?"
          value={text}
          onInput={({ currentTarget }) => setDraft(currentTarget.value)}
          onKeyDown={({ key }) => key === 'Escape' && setDraft(null)}
        />
      </label>
      <div class="buttons">
        <button class="primary" disabled={isTooLong || text.trim() === current}>
          Set
        </button>
        <button type="button" class="quiet" disabled={text === ''} onClick={() => save('')}>
          Clear
        </button>
        <span class="saving" role="status">
          {own.isSaving ? 'Saving…' : ''}
        </span>
      </div>
      {isTooLong && <Problem text="That is too long for a status text." />}
    </form>
  )
}
