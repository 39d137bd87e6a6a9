import { describe, expect, test } from 'vitest'
import { ManualClock } from '../../test/support/manual-clock.ts'
import type { PresencePosition, PresenceView, UserNum } from '../engine/types.ts'
import type { Filter } from '../matrix/filter.ts'
import type { ServerName, UserId } from '../matrix/ids.ts'
import { parseSyncToken, type SyncToken } from '../matrix/token.ts'
import type { SeeOptions } from './loop.ts'
import { createPresenceEvents } from './presence-events.ts'
import { createPresenceSection } from './presence-section.ts'

const ALICE = '@alice:home.example' as UserId
const BOB = '@bob:home.example' as UserId

function view(over: Partial<PresenceView> = {}): PresenceView {
  return {
    user: 1 as UserNum,
    state: 'online',
    hidden: false,
    statusMsg: null,
    lastActiveTs: null,
    currentlyActive: false,
    seq: 9,
    visible: true,
    ...over,
  }
}

function world(over: { enabled?: boolean } = {}) {
  const clock = new ManualClock()
  const reads: { since: PresencePosition; options: SeeOptions }[] = []
  const state = {
    entries: [{ userId: BOB, view: view() }],
    asked: [] as UserId[][],
    outOfSight: new Set<UserId>(),
  }
  const section = createPresenceSection({
    enabled: true,
    loop: {
      head: 10,
      horizon: 4,
      view: (_viewer, userId) => (state.outOfSight.has(userId) ? null : view({ state: 'unavailable' })),
      read: (_viewer, since, options) => {
        reads.push({ since, options })
        return { entries: state.entries, position: { seq: 9, skip: 0 } }
      },
    },
    events: createPresenceEvents({
      directory: {
        profiles: async (userIds) => {
          state.asked.push([...userIds])
          return new Map([[BOB, { displayname: 'Bob' }]])
        },
      },
      remoteProfiles: { known: () => new Map() },
      clock,
      epoch: 'life',
      serverName: 'home.example' as ServerName,
      busy: false,
    }),
    epoch: 'life',
    ...over,
  })
  const window = (since: string | null, query: { filter?: Filter; fullState?: boolean } = {}) =>
    section.window({ viewer: ALICE, filter: {}, fullState: false, form: 'sync', ...query }, token(since))
  return { clock, section, reads, state, window }
}

function token(text: string | null): SyncToken | null {
  return text === null ? null : parseSyncToken(text)
}

describe('who is not followed any more', () => {
  const CAROL = '@carol:home.example' as UserId
  const DAVE = '@dave:home.example' as UserId
  const offline = (sender: UserId): object => ({
    type: 'm.presence',
    sender,
    content: { presence: 'offline' },
  })

  test.each([
    ['P-061 of another life', 'a1_other_9_1_1', {}],
    ['P-061 from before the start', 'a1_life_3_1_1', {}],
    ['P-096 with full_state', 'a1_life_9_1_1', { fullState: true }],
  ])('a token %s: one offline of those out of sight', async (_, since, query) => {
    const { window, state } = world()
    state.outOfSight = new Set([CAROL])
    const events = await window(since, query).events([CAROL, DAVE])
    expect(events.filter(({ sender }) => sender !== ALICE && sender !== BOB)).toEqual([offline(CAROL)])
  })

  test('P-061 is no news otherwise: the engine tells it itself, and a first answer owes nobody', async () => {
    const { window, state } = world()
    state.outOfSight = new Set([CAROL])
    for (const since of ['a1_life_4_1_1', null])
      expect((await window(since).events([CAROL])).map(({ sender }) => sender)).not.toContain(CAROL)
  })

  test('P-083 is told once, also where the engine knows of it', async () => {
    const { window, state } = world()
    state.outOfSight = new Set([BOB])
    state.entries = [{ userId: BOB, view: view({ state: 'offline', visible: false }) }]
    expect(await window('a1_other_9_1_1').events([BOB])).toEqual([offline(BOB)])
  })

  test('P-100 P-101 is kept to the filter, and comes alone if need be', async () => {
    const { window, state } = world()
    state.outOfSight = new Set([CAROL, DAVE])
    state.entries = []
    const told = async (presence: NonNullable<Filter['presence']>): Promise<unknown[]> =>
      window('a1_other_9_1_1', { filter: { presence } }).events([CAROL, DAVE])
    expect(await told({})).toEqual([offline(CAROL), offline(DAVE)])
    expect(await told({ not_senders: [CAROL] })).toEqual([offline(DAVE)])
    expect(await told({ types: [] })).toEqual([])
  })
})

describe('which answer', () => {
  test('P-081 P-099 without a token: everyone but the offline', () => {
    const { window, reads } = world()
    window(null)
    expect(reads[0]?.options).toMatchObject({ snapshot: true, omitOffline: true })
  })

  test('P-081 an initial answer has the own entry where our bound cut it off, not where the client’s did', async () => {
    const { window, state } = world()
    const first = await window(null).events()
    expect(first.map((event) => event['sender'])).toEqual([ALICE, BOB])
    const limited = await window(null, { filter: { presence: { limit: 1 } } }).events()
    expect(limited.map((event) => event['sender'])).toEqual([BOB])
    state.entries = [{ userId: ALICE, view: view() }]
    expect(await window(null).events()).toHaveLength(1)
  })

  test('P-096 full_state reads like an initial sync', () => {
    const { window, reads } = world()
    window('a1_life_9_0_0', { fullState: true })
    expect(reads[0]?.options).toMatchObject({ snapshot: true, omitOffline: true })
  })

  test('P-082 with a token: what changed since, offline included', () => {
    const { window, reads } = world()
    window('a1_life_7.2_0_0')
    expect(reads[0]?.since).toEqual({ seq: 7, skip: 2 })
    expect(reads[0]?.options).toMatchObject({ snapshot: false, omitOffline: false })
  })

  test.each([
    ['a1_other_7_0_0', -1],
    ['a1_life_3.5_0_0', 3],
  ])('P-097 %s is before the horizon: all there is, the offline worth telling included', (since, seq) => {
    const { window, reads } = world()
    window(since)
    expect(reads[0]?.since.seq).toBe(seq)
    expect(reads[0]?.options).toMatchObject({ snapshot: false, omitOffline: false })
  })

  test('P-097 a position of the future counts as current', () => {
    const { window, reads } = world()
    window('a1_life_99.3_0_0')
    expect(reads[0]?.since).toEqual({ seq: 10, skip: 0 })
    expect(reads[0]?.options.snapshot).toBe(false)
  })

  test('P-029 with presence off an initial answer has none, a later one what changed', () => {
    const { window, reads } = world({ enabled: false })
    expect(window(null)).toMatchObject({ isEmpty: true, position: { seq: 10, skip: 0 } })
    expect(reads).toEqual([])
    window('a1_life_7_0_0')
    expect(reads).toHaveLength(1)
  })
})

describe('filters', () => {
  test.each<Filter>([
    { presence: { types: [] } },
    { presence: { not_types: ['m.presence'] } },
    { presence: { types: ['m.*'], not_types: ['*'] } },
    { presence: { types: ['m.room.*'] } },
    { presence: { senders: [] } },
  ])('P-100 P-103 %j reads nothing, waits for nothing and moves the token on', (filter) => {
    const { section, window, reads } = world()
    expect(section.isWanted(filter)).toBe(false)
    expect(window('a1_life_7_0_0', { filter })).toMatchObject({
      isEmpty: true,
      position: { seq: 10, skip: 0 },
    })
    expect(reads).toEqual([])
  })

  test.each<Filter>([
    {},
    { presence: {} },
    { presence: { types: ['m.presence'] } },
    { presence: { types: ['m.pres*'] } },
    { presence: { not_types: ['m.room.*'], types: ['*'] } },
  ])('P-103 %j wants presence', (filter) => {
    expect(world().section.isWanted(filter)).toBe(true)
  })

  test('P-101 senders include, not_senders exclude and win', () => {
    const { window, reads } = world()
    window('a1_life_7_0_0', { filter: { presence: { senders: [ALICE, BOB], not_senders: [BOB] } } })
    const accepts = reads[0]?.options.accepts
    expect([accepts?.(ALICE), accepts?.(BOB), accepts?.('@carol:home.example' as UserId)]).toEqual([
      true,
      false,
      false,
    ])
  })

  test('P-104 the limit is the filter’s, never above the server’s', () => {
    const { window, reads } = world()
    for (const filter of [{ presence: { limit: 2 } }, { presence: { limit: 5_000 } }, {}])
      window('a1_life_7_0_0', { filter })
    expect(reads.map(({ options }) => options.limit)).toEqual([2, 1_000, 1_000])
  })

  test('P-084 event_fields keep type and sender', async () => {
    const { window } = world()
    const filter = { event_fields: ['content.presence'] }
    expect(await window('a1_life_7_0_0', { filter }).events()).toEqual([
      { type: 'm.presence', sender: BOB, content: { presence: 'online' } },
    ])
  })
})

describe('writing', () => {
  test('P-041 P-108 ages are those of the moment of writing', async () => {
    const { clock, window, state } = world()
    state.entries = [{ userId: BOB, view: view({ lastActiveTs: clock.now() - 1_000 }) }]
    const taken = window('a1_life_7_0_0')
    await clock.advance(500)
    expect(await taken.events()).toMatchObject([{ content: { last_active_ago: 1_500 } }])
  })

  test('P-117 profiles are asked for all at once', async () => {
    const { window, state } = world()
    state.entries = [ALICE, BOB].map((userId) => ({ userId, view: view() }))
    const events = await window('a1_life_7_0_0').events()
    expect(state.asked).toEqual([[ALICE, BOB]])
    expect(events[1]).toMatchObject({ sender: BOB, content: { displayname: 'Bob' } })
    expect(events[0]?.['content']).not.toHaveProperty('displayname')
  })
})
