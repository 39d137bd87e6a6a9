const MINUTE_MS = 60_000
const HOUR_MS = 60 * MINUTE_MS
const DAY_MS = 24 * HOUR_MS
const WEEK_MS = 7 * DAY_MS

export interface Activity {
  /** While true, nothing is told about the time: it is now. */
  readonly currentlyActive: boolean
  /** By this machine's clock, in ms; absent if the person was never seen active. */
  readonly lastActiveTs?: number | undefined
}

/** "active 5 min ago", as of `now` (ms); empty if nothing is known. It ages by itself: no request is needed. */
export function activityText({ currentlyActive, lastActiveTs }: Activity, now: number): string {
  if (currentlyActive) return 'active now'
  return lastActiveTs === undefined ? '' : `active ${agoText(lastActiveTs, now)}`
}

/** "just now", "5 min ago", "on 3 March": to stand behind a verb. What lies in the future is now. */
export function agoText(ts: number, now: number): string {
  const ageMs = now - ts
  if (ageMs < MINUTE_MS) return 'just now'
  if (ageMs < HOUR_MS) return `${Math.floor(ageMs / MINUTE_MS)} min ago`
  if (ageMs < DAY_MS) return `${Math.floor(ageMs / HOUR_MS)} h ago`
  const days = Math.floor(ageMs / DAY_MS)
  if (ageMs < WEEK_MS) return days === 1 ? 'a day ago' : `${days} days ago`
  return `on ${dateText(ts, now)}`
}

/** "3 March"; with the year only where it is another one. */
export function dateText(ts: number, now: number): string {
  const isThisYear = new Date(ts).getFullYear() === new Date(now).getFullYear()
  const year = isThisYear ? {} : ({ year: 'numeric' } as const)
  return new Intl.DateTimeFormat('en-GB', { day: 'numeric', month: 'long', ...year }).format(ts)
}
