import { useState } from 'preact/hooks'

interface ConfirmButtonProps {
  readonly label: string
  readonly question: string
  /** For screen readers, which meet the button without its row. */
  readonly whom: string
  readonly disabled: boolean
  readonly onConfirmed: () => void
}

/** For what cannot be taken back alone: the first press asks, the second does it; leaving the button forgets. */
export function ConfirmButton({ label, question, whom, disabled, onConfirmed }: ConfirmButtonProps) {
  const [isAsking, setAsking] = useState(false)
  return (
    <>
      <button
        class={isAsking ? 'quiet asking' : 'quiet'}
        aria-label={`${isAsking ? question : label}: ${whom}`}
        aria-disabled={disabled}
        onClick={() => {
          setAsking(!isAsking)
          if (isAsking) onConfirmed()
        }}
        onBlur={() => setAsking(false)}
        onKeyDown={({ key }) => key === 'Escape' && setAsking(false)}
      >
        {isAsking ? question : label}
      </button>
      <span class="unseen" role="status">
        {isAsking ? `${question} Press again.` : ''}
      </span>
    </>
  )
}
