import { useState } from 'preact/hooks'

/** The own ID, for giving it to somebody. */
export function CopyId({ userId }: { readonly userId: string }) {
  const [isCopied, setCopied] = useState(false)
  const copy = async (): Promise<void> => {
    try {
      await navigator.clipboard.writeText(userId)
      setCopied(true)
    } catch {
      // No clipboard here (plain http, or not allowed): the ID can be selected.
    }
  }
  return (
    <p class="own-id">
      <bdi class="user-id">{userId}</bdi>{' '}
      <button
        class="quiet"
        aria-label={isCopied ? 'Copied your ID' : 'Copy your ID'}
        onClick={() => void copy()}
        onBlur={() => setCopied(false)}
      >
        {isCopied ? 'Copied' : 'Copy'}
      </button>
      <span class="unseen" role="status">
        {isCopied ? 'Copied' : ''}
      </span>
    </p>
  )
}
