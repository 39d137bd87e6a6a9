import type { Clock, Millis, Timer } from '../base/clock.ts'
import { jittered, type Random } from '../base/random.ts'
import type { ServerName } from '../matrix/ids.ts'
import type { Log } from '../ports/log.ts'

/** Long timers of different peers are spread by this share (P-200). */
const LONG_SPREAD = 0.1
/** A peer that answered none of this many reminders in a row counts as down. */
const REMINDERS_UNANSWERED_MAX = 2

export interface WatchdogsDeps {
  readonly clock: Clock
  readonly random: Random
  readonly log: Pick<Log, 'error'>
  /** `WATCHDOG_SHORT` and `WATCHDOG_LONG`. */
  readonly shortMs: Millis
  readonly longMs: Millis
  /** Sends a reminder; false: there is no subscription in either direction, so there was nothing to say. */
  readonly remind: (server: ServerName) => boolean
}

interface Watchdog {
  /** The short interval as it is now, doubled after reminders that brought nothing new. */
  shortMs: Millis
  shortDueTs: Millis
  /** The long interval as it was drawn last. */
  longMs: Millis
  longDueTs: Millis
  /** Reminders since anything was heard. */
  unanswered: number
  timer: Timer | null
  timerDueTs: Millis
}

/**
 * Two timers for each peer that speaks presence lists (PRESENCE-SPEC §5.7): the short one is put back by everything that
 * shows the peer to be alive, the long one only by presence (P-198). Either ends in a reminder (P-199), which puts back
 * nothing but itself: what comes in answer does. A peer without subscriptions, or one that is down, has no timer until it is
 * heard again.
 */
export class Watchdogs {
  readonly #deps: WatchdogsDeps
  readonly #dogs = new Map<ServerName, Watchdog>()
  #isClosed = false

  constructor(deps: WatchdogsDeps) {
    this.#deps = deps
  }

  /** At start: first looks are spread over a short interval, so that not all peers are reminded at once. */
  begin(server: ServerName): void {
    const { clock, random, shortMs } = this.#deps
    const dog = this.#dog(server)
    dog.shortDueTs = clock.now() + shortMs + Math.floor(random.fraction() * shortMs)
    this.#arm(server, dog)
  }

  /** The peer is alive: a request of its, or an answer to one of ours. */
  heard(server: ServerName): void {
    const dog = this.#dog(server)
    dog.unanswered = 0
    dog.shortDueTs = this.#deps.clock.now() + dog.shortMs
    this.#arm(server, dog)
  }

  /** Its presence reminder, or its answer to ours. */
  refreshed(server: ServerName): void {
    this.#startLong(this.#dog(server))
    this.heard(server)
  }

  /** Something is not as it was between us: silence would be noticed soon again. */
  changed(server: ServerName): void {
    this.#dog(server).shortMs = this.#deps.shortMs
    this.heard(server)
  }

  /** The peer is back after an outage (PRESENCE-SPEC §5.9). */
  remind(server: ServerName): void {
    this.#remind(server, this.#dog(server))
  }

  forget(server: ServerName): void {
    this.#dogs.get(server)?.timer?.cancel()
    this.#dogs.delete(server)
  }

  close(): void {
    this.#isClosed = true
    for (const server of this.#dogs.keys()) this.forget(server)
  }

  #dog(server: ServerName): Watchdog {
    const known = this.#dogs.get(server)
    if (known !== undefined) return known
    const { clock, shortMs } = this.#deps
    const dog: Watchdog = {
      shortMs,
      shortDueTs: clock.now() + shortMs,
      longMs: 0,
      longDueTs: 0,
      unanswered: 0,
      timer: null,
      timerDueTs: 0,
    }
    this.#startLong(dog)
    this.#dogs.set(server, dog)
    return dog
  }

  #startLong(dog: Watchdog): void {
    const { clock, random, longMs } = this.#deps
    dog.longMs = jittered(random, longMs, LONG_SPREAD)
    dog.longDueTs = clock.now() + dog.longMs
  }

  /** A timer that runs is left alone unless it is too late: being heard costs nothing. */
  #arm(server: ServerName, dog: Watchdog): void {
    const dueTs = Math.min(dog.shortDueTs, dog.longDueTs)
    if (this.#isClosed || (dog.timer !== null && dog.timerDueTs <= dueTs)) return
    dog.timer?.cancel()
    dog.timerDueTs = dueTs
    dog.timer = this.#deps.clock.after(dueTs - this.#deps.clock.now(), () => {
      dog.timer = null
      this.#look(server, dog)
    })
  }

  #look(server: ServerName, dog: Watchdog): void {
    if (this.#deps.clock.now() < Math.min(dog.shortDueTs, dog.longDueTs)) return this.#arm(server, dog)
    if (dog.unanswered < REMINDERS_UNANSWERED_MAX) return this.#remind(server, dog)
    // It is down, and when it is heard again that is a change.
    dog.shortMs = this.#deps.shortMs
  }

  #remind(server: ServerName, dog: Watchdog): void {
    const { clock } = this.#deps
    // What follows may come at once from within `remind`, and is to count.
    dog.unanswered += 1
    // As long as the long one was drawn: two servers that fell quiet do not remind each other at the same moment.
    dog.shortMs = Math.min(dog.shortMs * 2, dog.longMs)
    dog.shortDueTs = clock.now() + dog.shortMs
    if (clock.now() >= dog.longDueTs) this.#startLong(dog)
    if (this.#say(server)) this.#arm(server, dog)
    else this.forget(server)
  }

  #say(server: ServerName): boolean {
    try {
      return this.#deps.remind(server)
    } catch (err) {
      this.#deps.log.error({ err, server }, 'a reminder could not be made')
      return true
    }
  }
}
