import { describe, expect, test } from 'vitest'
import type { StreamPresence } from './commands.ts'
import {
  acted,
  isConnected,
  nextChangeAt,
  reported,
  settled,
  streamClosed,
  streamOpened,
  UNKNOWN_DEVICE,
} from './device.ts'
import type { DevicePresence, PresenceState, StateSource } from './types.ts'

const MINUTE = 60_000
const POLICY = { idleTimeoutMs: 5 * MINUTE, offlineGraceMs: 30_000, busyGraceMs: 60 * MINUTE }
const NOW = Date.UTC(2015, 9, 2)
const BEFORE = NOW - 10_000

const STATES: readonly PresenceState[] = ['offline', 'unavailable', 'online', 'free_for_chat', 'busy']
const SOURCES: readonly StateSource[] = ['auto', 'manual']

/** A device that polls and was last active ten seconds ago. */
function aDevice(
  state: PresenceState,
  source: StateSource,
  over: Partial<DevicePresence> = {},
): DevicePresence {
  return {
    ...UNKNOWN_DEVICE,
    state,
    source,
    lastActiveTs: BEFORE,
    lastPutTs: BEFORE,
    lastStreamEndTs: BEFORE,
    openStreams: 1,
    ...over,
  }
}

function gone(state: PresenceState, source: StateSource): DevicePresence {
  const longAgo = NOW - POLICY.busyGraceMs
  return aDevice(state, source, {
    openStreams: 0,
    lastActiveTs: longAgo,
    lastPutTs: longAgo,
    lastStreamEndTs: longAgo,
  })
}

const open = (device: DevicePresence, presence: StreamPresence): DevicePresence =>
  streamOpened(device, presence, NOW, POLICY)
const short = ({ state, source }: DevicePresence): string => `${state}(${source})`

describe('a stream begins (§4.3, §2.8)', () => {
  const rows: [from: string, StreamPresence, to: string, isActivity: boolean][] = [
    ['offline(auto)', 'implicit', 'online(auto)', true],
    ['offline(manual)', 'implicit', 'offline(manual)', false],
    ['unavailable(auto)', 'implicit', 'unavailable(auto)', false],
    ['unavailable(manual)', 'implicit', 'unavailable(manual)', false],
    ['online(auto)', 'implicit', 'online(auto)', false],
    ['online(manual)', 'implicit', 'online(manual)', false],
    ['free_for_chat(manual)', 'implicit', 'free_for_chat(manual)', false],
    ['busy(auto)', 'implicit', 'busy(auto)', false],
    ['busy(manual)', 'implicit', 'busy(manual)', false],

    ['offline(auto)', 'online', 'online(auto)', true],
    ['offline(manual)', 'online', 'online(auto)', true],
    ['unavailable(auto)', 'online', 'online(auto)', true],
    ['unavailable(manual)', 'online', 'online(auto)', true],
    ['online(auto)', 'online', 'online(auto)', true],
    ['online(manual)', 'online', 'online(auto)', true],
    ['free_for_chat(manual)', 'online', 'free_for_chat(manual)', true],
    ['busy(auto)', 'online', 'busy(auto)', true],
    ['busy(manual)', 'online', 'busy(manual)', true],

    ['offline(auto)', 'unavailable', 'unavailable(auto)', false],
    ['offline(manual)', 'unavailable', 'unavailable(auto)', false],
    ['unavailable(manual)', 'unavailable', 'unavailable(auto)', false],
    ['online(auto)', 'unavailable', 'unavailable(auto)', false],
    ['online(manual)', 'unavailable', 'unavailable(auto)', false],
    ['free_for_chat(manual)', 'unavailable', 'unavailable(auto)', false],
    ['busy(manual)', 'unavailable', 'unavailable(auto)', false],

    ['offline(auto)', 'offline', 'offline(auto)', false],
    ['offline(manual)', 'offline', 'offline(manual)', false],
    ['unavailable(auto)', 'offline', 'offline(auto)', false],
    ['unavailable(manual)', 'offline', 'unavailable(manual)', false],
    ['online(auto)', 'offline', 'offline(auto)', false],
    ['online(manual)', 'offline', 'online(manual)', false],
    ['free_for_chat(manual)', 'offline', 'free_for_chat(manual)', false],
    ['busy(auto)', 'offline', 'offline(auto)', false],
    ['busy(manual)', 'offline', 'busy(manual)', false],

    ['offline(auto)', 'busy', 'busy(auto)', true],
    ['offline(manual)', 'busy', 'busy(auto)', true],
    ['unavailable(manual)', 'busy', 'busy(auto)', true],
    ['online(manual)', 'busy', 'busy(auto)', true],
    ['free_for_chat(manual)', 'busy', 'busy(auto)', true],
    ['busy(manual)', 'busy', 'busy(auto)', true],
  ]
  test.each(rows)('P-127 %s, set_presence %s: %s, activity %s', (from, presence, to, isActivity) => {
    const [state, source] = from.slice(0, -1).split('(') as [PresenceState, StateSource]
    const before = aDevice(state, source)
    const after = open(before, presence)
    expect(short(after)).toBe(to)
    expect(after.lastActiveTs).toBe(isActivity ? NOW : BEFORE)
    expect(after.openStreams).toBe(presence === 'offline' ? 1 : 2)
    expect([after.lastPutTs, after.lastStreamEndTs]).toEqual([BEFORE, BEFORE])
  })

  test.each([
    ['implicit', 'online(auto)', NOW],
    ['online', 'online(auto)', NOW],
    ['unavailable', 'unavailable(auto)', 0],
    ['busy', 'busy(auto)', NOW],
  ] as const)('P-088 P-090 an unknown device that syncs with %s is %s', (presence, to, activeTs) => {
    const after = open(UNKNOWN_DEVICE, presence)
    expect([short(after), after.lastActiveTs, after.openStreams]).toEqual([to, activeTs, 1])
  })

  test('P-089 an unknown device that syncs with offline stays unknown', () => {
    expect(open(UNKNOWN_DEVICE, 'offline')).toEqual(UNKNOWN_DEVICE)
  })

  test('a deliberate offline holds while the session goes on polling, and ends with it', () => {
    const inGrace = aDevice('offline', 'manual', {
      openStreams: 0,
      lastStreamEndTs: NOW - POLICY.offlineGraceMs + 1,
    })
    expect(short(open(inGrace, 'implicit'))).toBe('offline(manual)')
    expect(short(open({ ...inGrace, lastActiveTs: 0, lastPutTs: 0 }, 'implicit'))).toBe('offline(manual)')
    expect(short(open(gone('offline', 'manual'), 'implicit'))).toBe('online(auto)')
  })
})

describe('PUT status (§2.1)', () => {
  for (const from of STATES)
    for (const source of SOURCES)
      for (const to of STATES) {
        const order = ['offline', 'unavailable', 'online', 'free_for_chat']
        const rank = (state: PresenceState): number => order.indexOf(state === 'busy' ? 'online' : state)
        const isActivity = rank(to) > rank(from) || rank(to) >= 2
        test(`P-125 P-126 ${from}(${source}) to ${to}: by hand, activity ${isActivity}`, () => {
          const after = reported(aDevice(from, source), to, NOW)
          expect(after).toEqual({
            ...aDevice(from, source),
            state: to,
            source: 'manual',
            lastPutTs: NOW,
            lastActiveTs: isActivity ? NOW : BEFORE,
          })
        })
      }
})

describe('activity (§4.2)', () => {
  for (const source of SOURCES) {
    test(`P-130 unavailable(${source}) that acts is online`, () => {
      const after = acted(aDevice('unavailable', source), NOW)
      expect([short(after), after.lastActiveTs]).toEqual(['online(auto)', NOW])
    })
    test.each(STATES.filter((state) => state !== 'unavailable'))(
      `P-124 P-128 P-131 %s(${source}) that acts stays, only the time moves`,
      (state) => {
        const before = aDevice(state, source)
        expect(acted(before, NOW)).toEqual({ ...before, lastActiveTs: NOW })
      },
    )
  }
})

describe('time (§4.3, §4.4)', () => {
  const idleAt = BEFORE + POLICY.idleTimeoutMs

  for (const source of SOURCES) {
    test.each(['online', 'free_for_chat'] as const)(
      `P-132 %s(${source}) idles at the timeout, not a millisecond before`,
      (state) => {
        const device = aDevice(state, source)
        expect(nextChangeAt(device, POLICY)).toBe(idleAt)
        expect(settled(device, idleAt - 1, POLICY)).toEqual(device)
        expect(settled(device, idleAt, POLICY)).toEqual({ ...device, state: 'unavailable', source: 'auto' })
      },
    )
    test.each(['offline', 'unavailable', 'busy'] as const)(
      `P-133 P-136 %s(${source}) with a stream open stays for ever`,
      (state) => {
        const device = aDevice(state, source)
        expect(nextChangeAt(device, POLICY)).toBe(Infinity)
        expect(settled(device, NOW + 1e12, POLICY)).toEqual(device)
      },
    )
    test.each(STATES)(`P-134 %s(${source}) without a stream is gone after its grace`, (state) => {
      const graceMs = state === 'busy' ? POLICY.busyGraceMs : POLICY.offlineGraceMs
      const device = aDevice(state, source, { openStreams: 0 })
      const goneAt = BEFORE + graceMs
      expect(nextChangeAt(device, POLICY)).toBe(goneAt)
      expect(isConnected(device, goneAt - 1, POLICY)).toBe(true)
      expect(settled(device, goneAt - 1, POLICY)).toEqual(device)
      expect(isConnected(device, goneAt, POLICY)).toBe(false)
      expect(settled(device, goneAt, POLICY)).toBeNull()
    })
  }

  test('who idles and is gone at once is gone', () => {
    const device = aDevice('online', 'auto', { openStreams: 0 })
    expect(settled(device, NOW + 60 * MINUTE, POLICY)).toBeNull()
  })

  test.each(['lastStreamEndTs', 'lastActiveTs', 'lastPutTs'] as const)(
    'P-134 P-137 the grace runs from the latest sign of life: %s',
    (sign) => {
      const never = { lastStreamEndTs: 0, lastActiveTs: 0, lastPutTs: 0 }
      const device = aDevice('unavailable', 'manual', { openStreams: 0, ...never, [sign]: NOW })
      expect(isConnected(device, NOW + POLICY.offlineGraceMs - 1, POLICY)).toBe(true)
      expect(isConnected(device, NOW + POLICY.offlineGraceMs, POLICY)).toBe(false)
    },
  )

  test('P-136 the grace begins when the last of several streams ends', () => {
    const two = open(open(UNKNOWN_DEVICE, 'implicit'), 'unavailable')
    const one = streamClosed(two, 'implicit', NOW + 1_000)
    expect([one.openStreams, isConnected(one, NOW + 1e9, POLICY)]).toEqual([1, true])
    const none = streamClosed(one, 'unavailable', NOW + 2_000)
    expect([none.openStreams, none.lastStreamEndTs]).toEqual([0, NOW + 2_000])
    expect(nextChangeAt(none, POLICY)).toBe(NOW + 2_000 + POLICY.offlineGraceMs)
  })

  test('P-089 the end of a stream that did not count is nothing', () => {
    const device = aDevice('online', 'manual', { openStreams: 0 })
    expect(streamClosed(device, 'offline', NOW)).toEqual(device)
  })
})
