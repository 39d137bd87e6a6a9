import type { Effects, PollTurn, PresenceWrite } from '../engine/effects.ts'
import { serverOf, type ServerName, type UserId } from '../matrix/ids.ts'
import type { Destinations } from '../ports/destinations.ts'
import type { Row } from '../ports/store.ts'
import type { Wake } from '../ports/wake.ts'
import type { Numbers } from './numbers.ts'
import type { Persist } from './persist.ts'

export interface PerformerDeps {
  readonly persist: Pick<Persist, 'add' | 'drop'>
  readonly wakeups: Pick<Wake, 'users'>
  readonly destinations: Pick<Destinations, 'offerPresence' | 'offerPolls'>
  /** A user of another server came into somebody's sight, and nothing is known of them. */
  readonly onSighted: (userId: UserId) => void
}

/** The one place where the engine's effects happen. */
export class Performer {
  readonly #deps: PerformerDeps
  readonly #numbers: Numbers

  constructor(deps: PerformerDeps, numbers: Numbers) {
    this.#deps = deps
    this.#numbers = numbers
  }

  perform({ wakes, writes, published, pushes, polls, sighted, forgotten }: Effects): void {
    const { persist, wakeups, destinations, onSighted } = this.#deps
    const told = new Set(published.map(({ user }) => user))
    for (const write of writes) persist.add(this.#row(write), told.has(write.user))
    for (const user of forgotten) persist.drop(this.#numbers.userId(user))
    for (const { server, users } of pushes)
      destinations.offerPresence(this.#numbers.servers.text(server), this.#numbers.userIds(users))
    if (polls.length > 0) this.#poll(polls)
    for (const user of sighted) onSighted(this.#numbers.userId(user))
    if (wakes.length > 0) wakeups.users(this.#numbers.userIds(wakes), 'presence')
  }

  /** One offer a server. */
  #poll(polls: readonly PollTurn[]): void {
    const changes = new Map<ServerName, { poll: UserId[]; unpoll: UserId[] }>()
    for (const { user, wanted } of polls) {
      const userId = this.#numbers.userId(user)
      const server = serverOf(userId)
      const change = changes.get(server) ?? { poll: [], unpoll: [] }
      changes.set(server, change)
      change[wanted ? 'poll' : 'unpoll'].push(userId)
    }
    for (const [server, change] of changes) this.#deps.destinations.offerPolls(server, change)
  }

  #row({ user, record }: PresenceWrite): Row<'presence'> {
    const { hiddenBy } = record
    return {
      userId: this.#numbers.userId(user),
      state: record.state,
      statusMsg: record.statusMsg,
      lastActiveTs: record.lastActiveTs,
      hidden: record.hidden ? 1 : 0,
      hiddenBy: hiddenBy === null ? null : this.#numbers.devices.id(hiddenBy),
      currentlyActive: record.currentlyActive ? 1 : 0,
      refreshedTs: record.refreshedTs,
    }
  }
}
