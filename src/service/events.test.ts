import { describe, expect, test } from 'vitest'
import { ManualClock, settle } from '../../test/support/manual-clock.ts'
import type { DeviceId, UserId } from '../matrix/ids.ts'
import type { EventSection } from '../ports/event-section.ts'
import type { WakeTopic } from '../ports/wake.ts'
import { createEvents, type EventsBody, type EventsRequest } from './events.ts'
import type { NewsWindow } from './presence-list-news.ts'
import type { PresenceQuery } from './presence-section.ts'
import { createWakeups } from './wakeups.ts'

const ALICE = '@alice:home.example' as UserId
const BOB = '@bob:home.example' as UserId
const PHONE = 'PHONE' as DeviceId
const INVITE = 'dev.adsum.presence_lists.invite'
const FROM = 'a1_life_5_7_0'

type RoomsWindow = Parameters<EventSection['read']>[1]

/** Everything around the stream as plain values; rooms and presence have news when a test says so. */
function world(options: { fraction?: number } = {}) {
  const clock = new ManualClock()
  const wakeups = createWakeups({ clock, parkedMax: 100, parkedPerDeviceMax: 3 })
  const streams: string[] = []
  const windows: RoomsWindow[] = []
  const looks: string[] = []
  const queries: PresenceQuery[] = []
  const listWindows: NewsWindow[] = []
  const endings: unknown[] = []
  const state = {
    rooms: 0,
    lists: false,
    presence: false,
    seq: 5,
    presenceEnd: 5,
    stream: 7,
    roomsEnd: null as number | null,
  }
  const events = createEvents({
    loop: {
      get head() {
        return state.seq
      },
      openStream: (_userId, deviceId, presence) => {
        streams.push(`open ${deviceId} ${presence}`)
        return () => void streams.push(`close ${deviceId}`)
      },
    },
    wakeups,
    presence: {
      window: (query, since) => {
        queries.push(query)
        looks.push(`${since?.epoch} ${since?.presence.seq}`)
        return {
          isEmpty: !state.presence,
          position: { seq: state.presenceEnd, skip: 0 },
          events: async (ended) => {
            endings.push(ended)
            return state.presence ? [{ type: 'm.presence' }] : []
          },
        }
      },
    },
    rooms: {
      position: () => ({ stream: state.stream, typing: 0 }),
      read: async (_audience, window) => {
        windows.push(window)
        const messages = Array.from({ length: state.rooms }, () => ({ type: 'm.room.message' }))
        await settle(1)
        return { events: messages, end: { stream: state.roomsEnd ?? window.now.stream, typing: 0 } }
      },
    },
    clock,
    random: {
      bytes: (count) => new Uint8Array(count),
      int: () => 0,
      fraction: () => options.fraction ?? 0.5,
    },
    lists: {
      read: async (_userId, pairs) => {
        listWindows.push(pairs)
        return { events: state.lists ? [{ type: INVITE }] : [], ended: pairs.upTo < 12 ? [] : [BOB] }
      },
    },
    epoch: 'life',
    pollMaxMs: 300_000,
  })
  const request = (over: Partial<EventsRequest> = {}): Promise<EventsBody> =>
    events.events({
      requester: { userId: ALICE, deviceId: PHONE, guest: false, admin: false },
      form: 'events',
      from: FROM,
      timeoutMs: 30_000,
      signal: new AbortController().signal,
      ...over,
    })
  const wake = (topic: WakeTopic): void => wakeups.users([ALICE], topic)
  return { clock, wakeups, streams, windows, looks, queries, listWindows, endings, state, request, wake }
}

/** The answer once it is there, else null. */
function watch(answer: Promise<EventsBody>): { body: EventsBody | null; error: unknown } {
  const seen: { body: EventsBody | null; error: unknown } = { body: null, error: null }
  answer.then(
    (body) => (seen.body = body),
    (error: unknown) => (seen.error = error),
  )
  return seen
}

describe('where it starts', () => {
  test.each([null, '', 'END'])('P-070 from %j is from now', async (from) => {
    const { request, looks, windows } = world()
    const body = await request({ from, timeoutMs: 0 })
    expect(looks).toEqual(['life 5'])
    expect(windows[0]).toEqual({ since: { stream: 7, typing: 0 }, now: { stream: 7, typing: 0 } })
    expect(body).toEqual({ start: FROM, end: FROM, chunk: [] })
  })

  test('P-070 from now is behind the coming online of the own device', async () => {
    const { request, state, looks, streams } = world()
    Object.defineProperty(state, 'seq', { get: () => 5 + streams.length })
    await request({ from: null, timeoutMs: 0 })
    expect(looks).toEqual(['life 6'])
  })

  test.each(['s3456_9_0', 't44', 'a1_life_5_7', 'end', `${FROM}_1`, '-1'])(
    'P-073 from %s is refused and opens no stream',
    async (from) => {
      const { request, streams } = world()
      await expect(request({ from })).rejects.toMatchObject({ status: 400, errcode: 'M_BAD_PAGINATION' })
      expect(streams).toEqual([])
    },
  )

  test('a position ahead of the server counts as current, for the next request too', async () => {
    const { request, looks, windows } = world()
    const body = await request({ from: 'a1_life_9.3_99_99', timeoutMs: 0 })
    expect(looks).toEqual(['life 5'])
    expect(windows[0]?.since).toEqual({ stream: 7, typing: 0 })
    expect(body).toMatchObject({ start: FROM, end: FROM })
  })

  test('the presence position of another life is left to the presence section to judge', async () => {
    const { request, looks, state } = world()
    state.presence = true
    const body = await request({ from: 'a1_before_9_3_0', timeoutMs: 0 })
    expect(looks).toEqual(['before 9'])
    expect(body).toMatchObject({ start: 'a1_before_9_3_0', end: FROM })
  })
})

describe('what it answers', () => {
  test('P-071 room events, then presence; the end is where both were read up to', async () => {
    const { request, state } = world()
    Object.assign(state, { rooms: 2, presence: true, presenceEnd: 6, stream: 12, roomsEnd: 9 })
    expect(await request({ timeoutMs: 0 })).toEqual({
      start: FROM,
      end: 'a1_life_6_9_0',
      chunk: [{ type: 'm.room.message' }, { type: 'm.room.message' }, { type: 'm.presence' }],
    })
  })

  test('P-065 P-069 what became of presence invites is part of it, up to where the rooms were read', async () => {
    const { request, state, listWindows, endings } = world()
    Object.assign(state, { lists: true, presence: true, presenceEnd: 6, stream: 12, roomsEnd: 9 })
    const { chunk, end } = await request({ timeoutMs: 0 })
    expect(chunk).toEqual([{ type: INVITE }, { type: 'm.presence' }])
    expect(end).toBe('a1_life_6_9_0')
    expect(listWindows[0]).toEqual({ after: 7, upTo: 9, withPending: false })
    // Whom one does not follow any more may be owed an offline; presence is read up to now.
    expect(endings).toEqual([[BOB]])
  })

  test('P-072 nothing to tell does not move the client on, though the server moved', async () => {
    const { request, state } = world()
    Object.assign(state, { stream: 12, presenceEnd: 8 })
    expect(await request({ timeoutMs: 0 })).toEqual({ start: FROM, end: FROM, chunk: [] })
  })

  test('presence is asked for in the form of the surface, with no filter', async () => {
    const { request, queries } = world()
    await request({ form: 'api/v1', timeoutMs: 0 })
    expect(queries).toEqual([{ viewer: ALICE, filter: {}, fullState: false, form: 'api/v1' }])
  })
})

describe('waiting', () => {
  test('P-071 timeout 0 answers at once and holds no timer', async () => {
    const { clock, request } = world()
    await request({ timeoutMs: 0 })
    expect(clock.timers).toBe(0)
  })

  test.each([
    { timeoutMs: 1, fraction: 0.5, waits: 500 },
    { timeoutMs: 499, fraction: 0, waits: 500 },
    { timeoutMs: 500, fraction: 0, waits: 500 },
    { timeoutMs: 30_000, fraction: 0, waits: 27_000 },
    { timeoutMs: 30_000, fraction: 0.5, waits: 30_000 },
    { timeoutMs: 30_000, fraction: 1, waits: 33_000 },
    { timeoutMs: 10_000_000, fraction: 0, waits: 270_000 },
    { timeoutMs: 10_000_000, fraction: 1, waits: 300_000 },
  ])('P-072 P-074 a timeout of $timeoutMs with chance $fraction waits $waits ms', async (given) => {
    const { clock, request } = world({ fraction: given.fraction })
    const seen = watch(request({ timeoutMs: given.timeoutMs }))
    await settle()
    await clock.advance(given.waits - 1)
    expect(seen.body).toBeNull()
    await clock.advance(1)
    expect(seen.body).toEqual({ start: FROM, end: FROM, chunk: [] })
  })

  test.each(['presence', 'rooms'] as const)('P-071 news of %s end the wait', async (topic) => {
    const { request, state, wake } = world()
    const seen = watch(request())
    await settle()
    Object.assign(state, topic === 'rooms' ? { rooms: 1, stream: 8 } : { presence: true, presenceEnd: 6 })
    wake(topic)
    await settle()
    expect(seen.body).toMatchObject({
      start: FROM,
      end: topic === 'rooms' ? 'a1_life_5_8_0' : 'a1_life_6_7_0',
      chunk: [{ type: topic === 'rooms' ? 'm.room.message' : 'm.presence' }],
    })
  })

  test('a wake without news goes on waiting, and reads presence from behind what was for others', async () => {
    const { request, state, wake, looks, windows, clock } = world()
    const seen = watch(request())
    await settle()
    Object.assign(state, { stream: 8, presenceEnd: 6 })
    wake('presence')
    await settle()
    wake('presence')
    await settle()
    expect(seen.body).toBeNull()
    expect(looks).toEqual(['life 5', 'life 5', 'life 6'])
    expect(windows.map(({ since }) => since.stream)).toEqual([7, 7, 7])
    await clock.advance(30_000)
    expect(seen.body).toEqual({ start: FROM, end: FROM, chunk: [] })
  })

  test('a shutdown answers at once with nothing, and the end to go on from', async () => {
    const { request, wakeups } = world()
    const seen = watch(request())
    await settle()
    wakeups.close()
    await settle()
    expect(seen.body).toEqual({ start: FROM, end: FROM, chunk: [] })
  })
})

describe('the device', () => {
  test('has an implicit stream open while the request runs', async () => {
    const { clock, request, streams } = world()
    watch(request())
    await settle()
    expect(streams).toEqual(['open PHONE implicit'])
    await clock.advance(30_000)
    expect(streams).toEqual(['open PHONE implicit', 'close PHONE'])
  })

  test('has none any more when the client is gone', async () => {
    const { request, streams, wakeups } = world()
    const controller = new AbortController()
    watch(request({ signal: controller.signal }))
    await settle()
    controller.abort()
    await settle()
    expect(streams.at(-1)).toBe('close PHONE')
    expect(wakeups.parked).toBe(0)
  })

  test('that is logged out ends the request with 401', async () => {
    const { request, streams, wakeups } = world()
    const seen = watch(request())
    await settle()
    wakeups.ended(ALICE, PHONE)
    await settle()
    expect(seen.error).toMatchObject({ status: 401, errcode: 'M_UNKNOWN_TOKEN' })
    expect(streams.at(-1)).toBe('close PHONE')
  })
})
