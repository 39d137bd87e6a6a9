import { useEffect, useState } from 'preact/hooks'

/** Fine enough for texts that count in minutes. */
const TICK_MS = 10_000

const listeners = new Set<() => void>()
let timer: ReturnType<typeof setInterval> | undefined

function tick(): void {
  for (const listener of listeners) listener()
}

function listen(listener: () => void): () => void {
  listeners.add(listener)
  if (listeners.size === 1) {
    timer = setInterval(tick, TICK_MS)
    // Timers of a tab in the background are late.
    document.addEventListener('visibilitychange', tick)
  }
  return () => {
    listeners.delete(listener)
    if (listeners.size > 0) return
    clearInterval(timer)
    document.removeEventListener('visibilitychange', tick)
  }
}

/** The time in ms, kept up to date by one timer for the whole page. */
export function useNow(): number {
  const [, again] = useState(0)
  useEffect(() => listen(() => again((count) => count + 1)), [])
  return Date.now()
}
