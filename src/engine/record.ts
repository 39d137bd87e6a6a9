import type { PresenceRecord } from './types.ts'

/** A moved time alone is stored only if it moved at least this far: bursts of activity cost one write. */
const TIME_WRITE_MIN_MS = 1_000

/** Does the record differ from the one that was written, by more than a moment? */
export function isWorthWriting(written: PresenceRecord, record: PresenceRecord): boolean {
  const { state, statusMsg, hidden, hiddenBy, currentlyActive } = record
  if (
    state !== written.state ||
    statusMsg !== written.statusMsg ||
    currentlyActive !== written.currentlyActive
  )
    return true
  if (hidden !== written.hidden || hiddenBy !== written.hiddenBy) return true
  return (
    Math.abs((record.lastActiveTs ?? 0) - (written.lastActiveTs ?? 0)) >= TIME_WRITE_MIN_MS ||
    Math.abs((record.refreshedTs ?? 0) - (written.refreshedTs ?? 0)) >= TIME_WRITE_MIN_MS
  )
}
