import {
  createContext,
  createElement,
  useCallback,
  useContext,
  useMemo,
  useSyncExternalStore,
  type ReactElement,
  type ReactNode,
} from 'react'
import type { PresenceClient } from './client.ts'
import type { Connection, Features, Lists, OwnPresence, UserPresence } from './types.ts'

const Client = createContext<PresenceClient | null>(null)

/** Gives a client to the hooks below it; starting and stopping it is the app's. */
export function PresenceProvider({
  client,
  children,
}: {
  readonly client: PresenceClient
  readonly children?: ReactNode
}): ReactElement {
  return createElement(Client.Provider, { value: client }, children)
}

export function usePresenceClient(): PresenceClient {
  const client = useContext(Client)
  if (client === null) throw new Error('Presence hooks need a <PresenceProvider> above them')
  return client
}

/** One user; renders again when that user changes. */
export function usePresence(userId: string): UserPresence {
  const client = usePresenceClient()
  const subscribe = useCallback(
    (listener: () => void) => client.subscribeTo(userId, listener),
    [client, userId],
  )
  const snapshot = useCallback(() => client.get(userId), [client, userId])
  return useSyncExternalStore(subscribe, snapshot, snapshot)
}

/** Everyone heard of, without oneself, in no particular order. */
export function useRoster(): readonly UserPresence[] {
  return useSnapshot((client) => client.roster())
}

export function useOwnPresence(): OwnPresence & Pick<PresenceClient, 'setPresence'> {
  const client = usePresenceClient()
  const own = useSnapshot((client) => client.own())
  return useMemo(() => ({ ...own, setPresence: (choice) => client.setPresence(choice) }), [client, own])
}

type InviteActions = Pick<PresenceClient, 'invite' | 'drop' | 'accept' | 'deny' | 'revoke'>

export function useInvites(): Lists & InviteActions {
  const client = usePresenceClient()
  const lists = useSnapshot((client) => client.lists())
  return useMemo(
    () => ({
      ...lists,
      invite: (userIds) => client.invite(userIds),
      drop: (userIds) => client.drop(userIds),
      accept: (userId, options) => client.accept(userId, options),
      deny: (userId, options) => client.deny(userId, options),
      revoke: (userId, options) => client.revoke(userId, options),
    }),
    [client, lists],
  )
}

export function useConnection(): Connection {
  return useSnapshot((client) => client.connection())
}

export function useFeatures(): Features {
  return useSnapshot((client) => client.features())
}

/** Every snapshot is the same object until it differs, so reading another one costs a comparison and no rendering. */
function useSnapshot<T>(read: (client: PresenceClient) => T): T {
  const client = usePresenceClient()
  const subscribe = useCallback((listener: () => void) => client.subscribe(listener), [client])
  const snapshot = (): T => read(client)
  return useSyncExternalStore(subscribe, snapshot, snapshot)
}
