import * as fc from 'fast-check'
import { expect, test, vi } from 'vitest'
import { presenceNews, shownPresence, type PresenceNews } from './guards.ts'
import { activeAgoMs, Store } from './store.ts'
import { presenceEvent } from './support/fake-server.ts'

const BOB = '@bob:hs'

function aStore(options: { readonly members?: boolean; readonly usersMax?: number } = {}): Store {
  return new Store({ ownId: '@me:hs', members: false, ...options })
}

function news(sender: string, content: object = {}): PresenceNews {
  const decoded = presenceNews(presenceEvent(sender, content))
  if (decoded === null) throw new Error('not a presence event')
  return decoded
}

test('who was never heard of is offline, with nothing else, and the same object each time', () => {
  const store = aStore()
  expect(store.get(BOB)).toEqual({
    userId: BOB,
    presence: 'offline',
    rawPresence: 'offline',
    currentlyActive: false,
    updatedAt: 0,
    rooms: [],
    listed: null,
  })
  expect(store.get(BOB)).toBe(store.get(BOB))
  expect(store.roster()).toEqual([])
})

test('an event fills every field; the last activity is fixed when it arrives', () => {
  const store = aStore()
  const content = {
    presence: 'online',
    last_active_ago: 1_500,
    currently_active: true,
    status_msg: 'lunch',
    displayname: 'Bob',
    avatar_url: 'mxc://hs/bob',
  }
  store.hear(news(BOB, content), 10_000)
  expect(store.get(BOB)).toEqual({
    userId: BOB,
    presence: 'online',
    rawPresence: 'online',
    statusMsg: 'lunch',
    lastActiveTs: 8_500,
    currentlyActive: true,
    updatedAt: 10_000,
    displayname: 'Bob',
    avatarUrl: 'mxc://hs/bob',
    rooms: [],
    listed: null,
  })
})

test('P-206 a currently active user is active whatever the age says, and else the age counts from the arrival', () => {
  fc.assert(
    fc.property(fc.nat(1e9), fc.nat(1e9), fc.boolean(), (ago, laterMs, active) => {
      const store = aStore()
      store.hear(news(BOB, { last_active_ago: ago, currently_active: active }), 5e9)
      expect(activeAgoMs(store.get(BOB), 5e9 + laterMs)).toBe(active ? 0 : ago + laterMs)
    }),
  )
  const store = aStore()
  store.hear(news(BOB, { presence: 'unavailable' }), 5)
  expect(activeAgoMs(store.get(BOB), 10)).toBeUndefined()
  store.hear(news(BOB, { last_active_ago: 5 }), 5)
  expect(activeAgoMs(store.get(BOB), -100)).toBe(0)
})

const userIds = fc.constantFrom('@a:hs', '@b:hs', '@c:hs', '', 'bob', 7, null)

test('P-207 the user is the sender, else content.user_id; both and different is dropped', () => {
  fc.assert(
    fc.property(
      fc.option(userIds, { nil: undefined }),
      fc.option(userIds, { nil: undefined }),
      (sender, named) => {
        const event = {
          type: 'm.presence',
          ...(sender !== undefined && { sender }),
          content: { presence: 'online', ...(named !== undefined && { user_id: named }) },
        }
        const isUser = (value: unknown): boolean => typeof value === 'string' && value.startsWith('@')
        const stated = sender === undefined ? named : sender
        const isFine = isUser(stated) && (sender === undefined || named === undefined || sender === named)
        expect(presenceNews(event)?.userId ?? null).toBe(isFine ? stated : null)
      },
    ),
  )
})

test('P-208 an event without status text leaves no text, whatever was before; null and empty are none', () => {
  const texts = fc.option(fc.oneof(fc.string(), fc.constant(null), fc.constant(5)), { nil: undefined })
  fc.assert(
    fc.property(fc.array(texts, { minLength: 1 }), (texts) => {
      const store = aStore()
      for (const status_msg of texts) store.hear(news(BOB, status_msg === undefined ? {} : { status_msg }), 1)
      const last = texts.at(-1)
      const user = store.get(BOB)
      if (typeof last === 'string' && last !== '') expect(user.statusMsg).toBe(last)
      else expect('statusMsg' in user).toBe(false)
    }),
  )
})

test('P-209 an unknown state shows as unavailable and its raw value is kept', () => {
  const known = [
    'online',
    'unavailable',
    'offline',
    'hidden',
    'free_for_chat',
    'busy',
    'org.matrix.msc3026.busy',
  ]
  const raws = fc.oneof(fc.string(), fc.constantFrom('__proto__', 'constructor', 'ONLINE', ...known))
  fc.assert(
    fc.property(raws, (presence) => {
      const store = aStore()
      store.hear(news(BOB, { presence }), 1)
      expect(store.get(BOB).rawPresence).toBe(presence)
      if (!known.includes(presence)) expect(store.get(BOB).presence).toBe('unavailable')
    }),
  )
  expect(known.map(shownPresence)).toEqual([
    'online',
    'unavailable',
    'offline',
    'offline',
    'free_for_chat',
    'busy',
    'busy',
  ])
})

test('profile keys that an event does not state are kept, and everything else is replaced', () => {
  const store = aStore()
  const content = {
    displayname: 'Bob',
    avatar_url: 'mxc://a',
    status_msg: 'x',
    last_active_ago: 1,
    currently_active: true,
  }
  store.hear(news(BOB, content), 1)
  store.hear(news(BOB, { presence: 'unavailable' }), 2)
  expect(store.get(BOB)).toEqual({
    userId: BOB,
    presence: 'unavailable',
    rawPresence: 'unavailable',
    currentlyActive: false,
    updatedAt: 2,
    displayname: 'Bob',
    avatarUrl: 'mxc://a',
    rooms: [],
    listed: null,
  })
})

test('any JSON is either a presence event of the right types or nothing', () => {
  fc.assert(
    fc.property(
      fc.jsonValue(),
      fc.jsonValue(),
      fc.jsonValue(),
      fc.jsonValue(),
      (ago, active, name, event) => {
        const decoded = presenceNews(
          presenceEvent(BOB, {
            last_active_ago: ago,
            currently_active: active,
            displayname: name,
            avatar_url: name,
          }),
        )
        expect(decoded?.lastActiveAgoMs ?? 0).toBeGreaterThanOrEqual(0)
        expect(decoded?.currentlyActive).toBe(active === true)
        expect(decoded?.displayname).toBe(typeof name === 'string' && name !== '' ? name : undefined)
        expect(presenceNews(event)).toBeNull()
      },
    ),
  )
})

test('after the server is lost everybody is unknown, also who was never heard of, and nobody is offline', () => {
  const store = aStore()
  store.hear(news(BOB, { displayname: 'Bob', currently_active: true }), 1)
  store.hear(news('@carol:hs', { presence: 'offline' }), 1)
  expect(store.get('@stranger:hs').presence).toBe('offline')
  store.lose()
  expect([BOB, '@carol:hs', '@stranger:hs'].map((userId) => store.get(userId).presence)).toEqual([
    'unknown',
    'unknown',
    'unknown',
  ])
  expect(store.get(BOB)).toMatchObject({ displayname: 'Bob', rawPresence: 'online', currentlyActive: false })
  store.batch(() => {
    store.reset()
    store.hear(news('@carol:hs'), 2)
  })
  expect([BOB, '@carol:hs', '@stranger:hs'].map((userId) => store.get(userId).presence)).toEqual([
    'offline',
    'online',
    'offline',
  ])
  expect(store.get(BOB).displayname).toBe('Bob')
})

test('snapshots are frozen, the same until they differ, and of others not touched', () => {
  const store = aStore()
  store.hear(news(BOB), 1)
  store.hear(news('@carol:hs'), 1)
  const [bob, carol, roster] = [store.get(BOB), store.get('@carol:hs'), store.roster()]
  expect([Object.isFrozen(bob), Object.isFrozen(roster), store.roster()]).toEqual([true, true, roster])
  expect(store.roster()).toBe(roster)
  store.hear(news(BOB, { status_msg: 'x' }), 2)
  expect(bob).not.toHaveProperty('statusMsg')
  expect(store.get(BOB)).not.toBe(bob)
  expect(store.get('@carol:hs')).toBe(carol)
  const later = store.roster()
  expect(later).not.toBe(roster)
  store.touch()
  expect(store.roster()).toBe(later)
})

test('listeners hear of their user only, once a batch, and not of what changes nothing', () => {
  const store = aStore()
  const heard: string[] = []
  store.subscribeTo(BOB, () => heard.push(`bob ${store.get(BOB).statusMsg}`))
  const offCarol = store.subscribeTo('@carol:hs', () => heard.push('carol'))
  store.subscribe(() => heard.push(`any ${store.roster().length}`))
  store.batch(() => {
    store.hear(news(BOB, { status_msg: 'one' }), 1)
    store.hear(news(BOB, { status_msg: 'two' }), 1)
    store.hear(news('@dan:hs'), 1)
  })
  expect(heard).toEqual(['bob two', 'any 2'])
  store.hear(news(BOB, { status_msg: 'two' }), 1)
  expect(heard).toHaveLength(2)
  store.lose()
  expect(heard.slice(2)).toEqual(['bob two', 'carol', 'any 2'])
  offCarol()
  store.hear(news('@carol:hs'), 3)
  expect(heard.slice(5)).toEqual(['any 3'])
})

test('a listener that throws does not keep the others from hearing, and its error is not swallowed', () => {
  const later: (() => void)[] = []
  vi.stubGlobal('queueMicrotask', (run: () => void) => later.push(run))
  const store = aStore()
  const heard: string[] = []
  store.subscribe(() => {
    throw new Error('of the app')
  })
  store.subscribe(() => heard.push('told'))
  store.hear(news(BOB), 1)
  vi.unstubAllGlobals()
  expect(heard).toEqual(['told'])
  expect(() => later.forEach((run) => run())).toThrow('of the app')
})

test('members: rooms come and go, names come with them, and who shares nothing any more drops out of the roster', () => {
  const store = aStore({ members: true })
  const joined = { userId: BOB, isJoined: true, displayname: 'Bob', avatarUrl: undefined }
  store.hearRoom({ roomId: '!a', isLeft: false, members: [joined] })
  store.hearRoom({ roomId: '!b', isLeft: false, members: [joined] })
  expect(store.get(BOB)).toMatchObject({ rooms: ['!a', '!b'], displayname: 'Bob', presence: 'offline' })
  expect(store.roster().map(({ userId }) => userId)).toEqual([BOB])
  const same = store.get(BOB)
  store.hearRoom({ roomId: '!a', isLeft: false, members: [joined] })
  expect(store.get(BOB)).toBe(same)
  store.hearRoom({ roomId: '!a', isLeft: true, members: [] })
  store.hearRoom({ roomId: '!b', isLeft: false, members: [{ ...joined, isJoined: false }] })
  expect([store.get(BOB).rooms, store.roster()]).toEqual([[], []])
  store.list(new Map([[BOB, 'accepted']]))
  expect(store.roster().map(({ listed }) => listed)).toEqual(['accepted'])
  store.list(new Map())
  expect(store.roster()).toEqual([])
  store.hear(news(BOB), 1)
  expect(store.roster()).toHaveLength(1)
})

test('oneself is known and not in the roster', () => {
  const store = aStore()
  store.hear(news('@me:hs'), 1)
  expect([store.get('@me:hs').presence, store.roster()]).toEqual(['online', []])
})

test('the store is bounded: the oldest who are offline and of no interest are forgotten', () => {
  const store = aStore({ usersMax: 3 })
  store.list(new Map([['@listed:hs', 'accepted']]))
  for (const name of ['a', 'b', 'c', 'd']) store.hear(news(`@${name}:hs`, { presence: 'offline' }), 1)
  store.hear(news('@online:hs'), 1)
  expect(store.roster().map(({ userId }) => userId)).toEqual(['@listed:hs', '@d:hs', '@online:hs'])
})
