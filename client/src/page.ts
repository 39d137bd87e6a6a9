import type { Clock } from './clock.ts'
import { IdleTimer } from './idle-timer.ts'
import type { SharedOptions } from './options.ts'

/** Watches the timer that the options mean, if any; `reports`: of several tabs this is the one that writes. */
export function watchIdle({
  idle,
  clock,
  name,
  tell,
}: {
  readonly idle: SharedOptions['idle']
  readonly clock: Clock
  readonly name: string
  readonly tell: (isIdle: boolean, reports: boolean) => void
}): () => void {
  const isBrowser = (globalThis as { window?: unknown }).window !== undefined
  if (idle === false || (idle === undefined && !isBrowser)) return () => {}
  const timer = idle instanceof IdleTimer ? idle : new IdleTimer({ ...idle, clock, name })
  const off = timer.subscribe((state) => tell(state === 'idle', timer.isReporter))
  tell(timer.state === 'idle', timer.isReporter)
  return () => {
    off()
    if (timer !== idle) timer.stop()
  }
}

/** A browser that is back on the network. */
export function onBrowserOnline(listener: () => void): () => void {
  const { window } = globalThis as {
    window?: {
      addEventListener?(type: 'online', listener: () => void): void
      removeEventListener?(type: 'online', listener: () => void): void
    }
  }
  window?.addEventListener?.('online', listener)
  return () => window?.removeEventListener?.('online', listener)
}
