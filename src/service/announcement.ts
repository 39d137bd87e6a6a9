import type { Clock, Millis, Timer } from '../base/clock.ts'
import type { Random } from '../base/random.ts'
import type { ServerName } from '../matrix/ids.ts'
import type { Log } from '../ports/log.ts'

/** Between two servers, on average. */
export const ANNOUNCE_GAP_MS = 100

export interface AnnouncementDeps {
  readonly clock: Clock
  readonly random: Random
  readonly log: Pick<Log, 'error'>
  readonly tell: (server: ServerName) => void
}

/** Tells servers one after the other, in an order and at moments left to chance: none of them hears from all of us at once. */
export class Announcement {
  readonly #deps: AnnouncementDeps
  #left: ServerName[] = []
  #timer: Timer | null = null

  constructor(deps: AnnouncementDeps) {
    this.#deps = deps
  }

  begin(servers: Iterable<ServerName>): void {
    this.#left = [...servers]
    this.#sleep()
  }

  close(): void {
    this.#left = []
    this.#timer?.cancel()
  }

  #sleep(): void {
    const { clock, random } = this.#deps
    if (this.#left.length === 0) return
    const delayMs: Millis = 1 + random.int(2 * ANNOUNCE_GAP_MS)
    this.#timer = clock.after(delayMs, () => this.#tellOne())
  }

  #tellOne(): void {
    const { random, log, tell } = this.#deps
    const [server] = this.#left.splice(random.int(this.#left.length), 1)
    try {
      if (server !== undefined) tell(server)
    } catch (err) {
      log.error({ err, server }, 'presence could not be told at start')
    }
    this.#sleep()
  }
}
