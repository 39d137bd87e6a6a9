import { describe, expect, test } from 'vitest'
import { ManualClock, settle } from '../../test/support/manual-clock.ts'
import type { Random } from '../base/random.ts'
import type { StreamPresence } from '../engine/commands.ts'
import type { PresenceState } from '../engine/types.ts'
import type { DeviceId, UserId } from '../matrix/ids.ts'
import type { SyncBody } from '../matrix/sync.ts'
import { parseSyncToken } from '../matrix/token.ts'
import type { SyncWindow } from '../ports/sync-section.ts'
import type { WakeTopic } from '../ports/wake.ts'
import type { PresenceWindow } from './presence-section.ts'
import { createSync, type SyncRequest } from './sync.ts'
import { createWakeups } from './wakeups.ts'

const ALICE = '@alice:home.example' as UserId
const PHONE = 'PHONE' as DeviceId
const SINCE = 'a1_life_5_7_0'

/** Everything around `sync` as plain values; rooms and presence have news when a test says so. */
function world(options: { fraction?: number } = {}) {
  const clock = new ManualClock()
  const wakeups = createWakeups({ clock, parkedMax: 100, parkedPerDeviceMax: 3 })
  const streams: string[] = []
  const windows: SyncWindow[] = []
  const presenceSince: (string | null)[] = []
  const state = {
    rooms: false,
    presence: false,
    wantsPresence: true,
    device: 'online' as PresenceState | null,
    allowance: 0,
    drawn: 0,
    presenceSeq: 5,
    stream: 7,
  }
  const random: Random = {
    bytes: (count) => new Uint8Array(count),
    int: () => 0,
    fraction: () => options.fraction ?? 0,
  }
  const presenceWindow = (): PresenceWindow => ({
    isEmpty: !state.presence,
    position: { seq: state.presenceSeq, skip: 0 },
    events: async () => (state.presence ? [{ type: 'm.presence' }] : []),
  })
  const sync = createSync({
    loop: {
      openStream: (_userId, deviceId, presence: StreamPresence) => {
        streams.push(`open ${deviceId} ${presence}`)
        return () => void streams.push(`close ${deviceId} ${presence}`)
      },
      deviceState: () => state.device,
    },
    wakeups,
    presence: {
      isWanted: () => state.wantsPresence,
      window: (_query, since) => {
        presenceSince.push(since === null ? null : `${since.epoch} ${since.presence.seq}`)
        return presenceWindow()
      },
    },
    rooms: {
      position: () => ({ stream: state.stream, typing: 0 }),
      read: async (_query, window) => {
        windows.push(window)
        const isEmpty = !state.rooms
        await settle(1)
        return { body: {}, isEmpty }
      },
    },
    limits: {
      tryTake: () => {
        state.drawn += 1
        return state.drawn <= state.allowance
      },
    },
    clock,
    random,
    lists: { read: async () => ({ events: [], ended: [] }) },
    epoch: 'life',
    pollMaxMs: 300_000,
  })
  const request = (over: Partial<SyncRequest> = {}): Promise<SyncBody> =>
    sync.sync({
      requester: { userId: ALICE, deviceId: PHONE, guest: false, admin: false },
      since: SINCE,
      timeoutMs: 30_000,
      fullState: false,
      filter: {},
      setPresence: 'implicit',
      stateAfterKey: false,
      signal: new AbortController().signal,
      ...over,
    })
  const wake = (topic: WakeTopic): void => wakeups.users([ALICE], topic)
  return { clock, wakeups, streams, windows, presenceSince, state, request, wake }
}

/** The answer once it is there, else null. */
function watch(answer: Promise<SyncBody>): { body: SyncBody | null; error: unknown } {
  const seen: { body: SyncBody | null; error: unknown } = { body: null, error: null }
  answer.then(
    (body) => (seen.body = body),
    (error: unknown) => (seen.error = error),
  )
  return seen
}

describe('waiting', () => {
  test('P-094 without a timeout the answer comes at once and holds no timer', async () => {
    const { clock, request } = world()
    expect((await request({ timeoutMs: 0 })).next_batch).toBe(SINCE)
    expect(clock.timers).toBe(0)
  })

  test('R-211 with nothing to tell it waits for its time and answers with empty sections', async () => {
    const { clock, request } = world()
    const seen = watch(request())
    await clock.advance(29_999)
    expect(seen.body).toBeNull()
    await clock.advance(1)
    expect(seen.body).toMatchObject({ next_batch: SINCE, rooms: { join: {} }, presence: { events: [] } })
  })

  test('R-211 the wait is cut short by at most a tenth and capped', async () => {
    const early = world({ fraction: 0.999 })
    const seen = watch(early.request())
    await early.clock.advance(26_999)
    expect(seen.body).toBeNull()
    await early.clock.advance(200)
    expect(seen.body).not.toBeNull()

    const long = world()
    const capped = watch(long.request({ timeoutMs: 10_000_000 }))
    await settle()
    await long.clock.advance(300_000)
    expect(capped.body).not.toBeNull()
  })

  test('P-095 R-211 a wake with news ends the wait', async () => {
    const { request, state, wake } = world()
    const seen = watch(request())
    await settle()
    state.presence = true
    state.presenceSeq = 6
    wake('presence')
    await settle()
    expect(seen.body).toMatchObject({
      next_batch: 'a1_life_6_7_0',
      presence: { events: [{ type: 'm.presence' }] },
    })
  })

  test('R-212 a wake without news goes on waiting for the remaining time', async () => {
    const { clock, request, wake } = world()
    const seen = watch(request())
    await clock.advance(20_000)
    wake('rooms')
    await clock.advance(9_999)
    expect(seen.body).toBeNull()
    await clock.advance(1)
    expect(seen.body).not.toBeNull()
  })

  test('P-100 presence does not wake a request that filters it out', async () => {
    const { request, state, wake, windows } = world()
    state.wantsPresence = false
    watch(request())
    await settle()
    wake('presence')
    await settle()
    expect(windows).toHaveLength(1)
    wake('rooms')
    await settle()
    expect(windows).toHaveLength(2)
  })

  test('R-213 news that come while reading are not slept through', async () => {
    const { request, state, wake } = world()
    const seen = watch(request())
    // The first reading has begun and found nothing; it has not come to waiting yet.
    state.rooms = true
    state.stream = 8
    wake('rooms')
    await settle()
    expect(seen.body?.next_batch).toBe('a1_life_5_8_0')
  })

  test('what presence hid from this client is not read again', async () => {
    const { request, state, wake, presenceSince } = world()
    watch(request())
    await settle()
    state.presenceSeq = 9
    wake('presence')
    await settle()
    wake('presence')
    await settle()
    expect(presenceSince).toEqual(['life 5', 'life 5', 'life 9'])
  })

  test('an initial sync and full_state ignore the timeout', async () => {
    const { request, presenceSince } = world()
    await request({ since: null })
    await request({ since: '' })
    await request({ fullState: true })
    expect(presenceSince).toEqual([null, null, 'life 5'])
  })

  test('L-17 the oldest request beyond the bound of a device answers and does not spin', async () => {
    const { request, windows } = world()
    const first = watch(request())
    await settle()
    for (let i = 0; i < 3; i += 1) watch(request())
    await settle()
    expect(first.body).not.toBeNull()
    expect(windows).toHaveLength(5)
  })
})

describe('tokens', () => {
  test('R-194 a malformed since is refused and opens no stream', async () => {
    const { request, streams } = world()
    for (const since of ['s72595_4483_1934', 'x', 'a1_life_5_7', `${SINCE}_1`])
      await expect(request({ since })).rejects.toMatchObject({ status: 400, errcode: 'M_INVALID_PARAM' })
    expect(streams).toEqual([])
  })

  test('R-194 a position of the future counts as current', async () => {
    const { request, windows } = world()
    await request({ since: 'a1_life_5_99_99', timeoutMs: 0 })
    expect(windows[0]?.since).toEqual({ stream: 7, typing: 0 })
  })

  test('P-087 an answer with content always has another next_batch', async () => {
    const { request, state } = world()
    state.rooms = true
    const first = await request({ fullState: true })
    const second = await request({ fullState: true, since: first.next_batch })
    expect(first.next_batch).not.toBe(SINCE)
    expect(second.next_batch).not.toBe(first.next_batch)
    expect(parseSyncToken(first.next_batch)).toEqual(parseSyncToken(SINCE))
  })
})

describe('the stream', () => {
  test('P-136 is open while the request waits and ends with the answer', async () => {
    const { clock, request, streams } = world()
    watch(request())
    await settle()
    expect(streams).toEqual(['open PHONE implicit'])
    await clock.advance(30_000)
    expect(streams).toEqual(['open PHONE implicit', 'close PHONE implicit'])
  })

  test('P-134 ends when the connection is dropped, not at the time-out', async () => {
    const { request, streams, wakeups } = world()
    const controller = new AbortController()
    watch(request({ signal: controller.signal }))
    await settle()
    controller.abort()
    await settle()
    expect(streams.at(-1)).toBe('close PHONE implicit')
    expect(wakeups.parked).toBe(0)
  })

  test('R-218 a logout ends the request with 401, and the stream', async () => {
    const { request, streams, wakeups } = world()
    const seen = watch(request())
    await settle()
    wakeups.ended(ALICE, PHONE)
    await settle()
    expect(seen.error).toMatchObject({ status: 401, errcode: 'M_UNKNOWN_TOKEN' })
    expect(streams.at(-1)).toBe('close PHONE implicit')
  })

  test('L-18 an answered request leaves no entry that counts to the bound', async () => {
    const { request, state } = world()
    state.presence = true
    for (let i = 0; i < 150; i += 1) await request()
  })

  test('a shutdown answers at once with a token to go on from', async () => {
    const { request, wakeups } = world()
    const seen = watch(request())
    await settle()
    wakeups.close()
    await settle()
    expect(seen.body?.next_batch).toBe(SINCE)
  })
})

describe('set_presence', () => {
  test('P-093 a value that changes the device draws on the allowance and is ignored without one', async () => {
    const { request, state, streams } = world()
    state.device = 'online'
    state.allowance = 1
    await request({ timeoutMs: 0, setPresence: 'unavailable' })
    await request({ timeoutMs: 0, setPresence: 'unavailable' })
    expect(streams.filter((line) => line.startsWith('open'))).toEqual([
      'open PHONE unavailable',
      'open PHONE implicit',
    ])
  })

  test('P-093 L-02 offline always counts, and repeating a state draws nothing', async () => {
    const { request, state } = world()
    state.device = 'online'
    for (const setPresence of ['implicit', 'offline', 'online'] as const)
      await request({ timeoutMs: 0, setPresence })
    state.device = 'busy'
    for (const setPresence of ['busy', 'online'] as const) await request({ timeoutMs: 0, setPresence })
    state.device = 'unavailable'
    await request({ timeoutMs: 0, setPresence: 'unavailable' })
    expect(state.drawn).toBe(0)
  })

  test.each([
    [null, 'online'],
    [null, 'unavailable'],
    ['offline', 'online'],
    ['unavailable', 'online'],
    ['online', 'busy'],
  ] as const)('P-093 from %s to %s is a change', async (device, setPresence) => {
    const { request, state } = world()
    state.device = device
    await request({ timeoutMs: 0, setPresence })
    expect(state.drawn).toBe(1)
  })
})
