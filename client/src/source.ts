import type { SyncNews } from './guards.ts'
import type { Request } from './request.ts'

/** Where news come from: an own sync loop or somebody else's. */
export interface Source {
  readonly request: Request
  start(sink: Sink): void
  stop(): void
  /** `set_presence` from now on, with the next poll or at once. */
  setPresence(value: string): void
  /** The next news are to be all there is. */
  forget(): void
  retryNow(): void
}

export interface Sink {
  /** Before the first news and after each loss; may throw as a request does. */
  prepare(): Promise<void>
  heard(news: SyncNews, isInitial: boolean): void
  /** A request failed and will be tried again; `isSilence`: nothing was heard for a whole poll. */
  failed(isSilence: boolean): void
  unauthorized(): void
  /** Presence lists may have changed without a word. */
  reread(): void
}
