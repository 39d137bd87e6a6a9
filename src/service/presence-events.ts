import type { Clock, Millis } from '../base/clock.ts'
import { serverOf, type ServerName, type UserId } from '../matrix/ids.ts'
import { presenceEvent, type PresenceEventForm, type ShownPresence } from '../matrix/presence.ts'
import type { ClientEvent } from '../matrix/sync.ts'
import type { Directory, PublicProfile } from '../ports/directory.ts'
import type { RemoteProfiles } from '../ports/remote-profiles.ts'

/** Somebody as a viewer may see them, and the place in the presence stream that this is of. */
export interface ShownEntry {
  readonly userId: UserId
  readonly view: ShownPresence & { readonly seq: number }
}

/** Writes presence out as `m.presence` events, for every surface that shows them. */
export interface PresenceEvents {
  /** One event an entry, in order, with profiles and ages as of the moment of writing. */
  write(entries: readonly ShownEntry[], form: PresenceEventForm): Promise<ClientEvent[]>
}

export interface PresenceEventsDeps {
  readonly directory: Pick<Directory, 'profiles'>
  readonly remoteProfiles: Pick<RemoteProfiles, 'known'>
  readonly clock: Pick<Clock, 'now'>
  /** The life of the presence numbers. */
  readonly epoch: string
  readonly serverName: ServerName
  /** Does this server speak busy? */
  readonly busy: boolean
}

export function createPresenceEvents(deps: PresenceEventsDeps): PresenceEvents {
  const { clock, epoch, serverName: server, busy } = deps
  return {
    async write(entries, form) {
      if (entries.length === 0) return []
      const profiles = await profilesOf(
        deps,
        entries.map(({ userId }) => userId),
      )
      const now: Millis = clock.now()
      return entries.map(({ userId, view }) => {
        const source = { ...profiles.get(userId), userId, seq: view.seq, epoch, server }
        return presenceEvent(source, view, { now, busy, form })
      })
    },
  }
}

/** Our users' from the directory; of others what is known at once, so that no other server delays an answer (§5.8). */
async function profilesOf(
  { directory, remoteProfiles, serverName }: PresenceEventsDeps,
  userIds: readonly UserId[],
): Promise<ReadonlyMap<UserId, PublicProfile>> {
  const remote = userIds.filter((userId) => serverOf(userId) !== serverName)
  if (remote.length === 0) return directory.profiles(userIds)
  const own = await directory.profiles(userIds.filter((userId) => serverOf(userId) === serverName))
  return new Map([...own, ...remoteProfiles.known(remote)])
}
